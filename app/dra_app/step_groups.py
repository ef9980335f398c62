"""The groups of one step: read in one query, then filtered, sorted, and counted into a histogram that filters too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dra_app.figure import Cell, figure, marks
from dra_toolkit.drawing.numbers import short
from dra_toolkit.drawing.svg import Scale, line, rect, text, y_axis
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.runs import Run

COLUMNS = (
    "reward",
    "reward_spread",
    "adjusted",
    "similarity",
    "vendi_score",
    "abs_advantage",
    "correct_share",
    "tokens",
)
"""Columns of the table beside its place; every measure of a group can be sorted by and shown as a histogram."""
SORTABLE = ("group_index", *GROUP_MEASURES)
HISTOGRAMS = tuple(m.name for m in GROUP_MEASURES.values() if m.type != "bool" and m.name != "size")
MARKS = {
    "zero": ("◇", "zero spread", "all raw rewards are equal: without the adjustment no gradient"),
    "flips": ("⇅", "flips", "completions whose advantage has the other sign than without the adjustment"),
    "copies": ("≡", "duplicates", "two or more completions are the same text"),
}
"""Mark -> its symbol, its name, what it says of a group."""
BINS = 20
WIDTH, HEIGHT = 400.0, 132.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 394.0, 8.0, 100.0
"""Where the bars of the histogram stand."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepView:
    """What of a step's groups is asked for."""

    sort: str = "group_index"
    descending: bool = False
    marks: frozenset[str] = frozenset()
    """Only groups with all of these marks."""
    measure: str = "similarity"
    """What the histogram counts."""
    low: float | None = None
    """Only groups whose measure is at least this."""
    high: float | None = None
    """Only groups whose measure is at most this."""

    @property
    def is_filtered(self) -> bool:
        """Whether some groups may be left out."""
        return bool(self.marks) or self.low is not None or self.high is not None


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bar of the histogram."""

    low: float
    high: float
    groups: int
    chosen: bool
    """Whether the filter lets its groups through."""


@dataclass(frozen=True, kw_only=True)
class StepGroups:
    """The groups of a step as they are to be shown."""

    step: int
    mode: Mode
    rows: list[Row]
    """Those that the filters let through, in order."""
    total: int
    """All groups of the step."""
    counts: dict[str, int]
    """Mark -> groups of the step that have it."""
    bins: list[Bin]
    view: StepView = field(default_factory=StepView)


def read_step(run: Run, step: int, mode: Mode = "train") -> list[Row]:
    """Return a row for each group of a step, by batch and index; raises RunError, naming the nearest, if there is none."""
    found: list[Row] = run.query(
        'SELECT * FROM "groups" WHERE mode = $1 AND step = $2 ORDER BY batch, group_index',
        [mode, step],
        steps=(step, step),
    ).to_pylist()
    if not found:
        run.require_step(step, mode)
    return found


def arrange(rows: list[Row], step: int, mode: Mode = "train", view: StepView | None = None) -> StepGroups:
    """Return the groups of a step filtered and sorted, with the histogram of those that have the chosen marks."""
    view = view or StepView()
    marked = [row for row in rows if all(has_mark(row, mark) for mark in view.marks)]
    shown = sorted((row for row in marked if _within(row[view.measure], view)), key=_place)
    if view.sort != "group_index" or view.descending:
        known = [row for row in shown if _number(row[view.sort]) is not None]
        known.sort(key=lambda row: row[view.sort], reverse=view.descending)
        shown = known + [row for row in shown if _number(row[view.sort]) is None]
    return StepGroups(
        step=step,
        mode=mode,
        rows=shown,
        total=len(rows),
        counts={mark: sum(has_mark(row, mark) for row in rows) for mark in MARKS},
        bins=histogram(marked, view),
        view=view,
    )


def has_mark(row: Mapping[str, Any], mark: str) -> bool:
    """Return whether a group has a mark of `MARKS`."""
    if mark == "zero":
        return bool(row["zero_spread"])
    return bool(row["flips"]) if mark == "flips" else (row["distinct_ratio"] or 1) < 1


def histogram(rows: list[Row], view: StepView) -> list[Bin]:
    """Return equal bins from the smallest to the largest value of the measure; one bin where all values are equal."""
    values = [value for row in rows if (value := _number(row[view.measure])) is not None]
    if not values:
        return []
    low, high = min(values), max(values)
    if low == high:
        return [Bin(low=low, high=high, groups=len(values), chosen=_within(low, view))]
    is_whole = GROUP_MEASURES[view.measure].type == "int32"
    counts, edges = np.histogram(values, min(BINS, int(high - low) + 1) if is_whole else BINS)
    bins = zip(edges.tolist(), edges.tolist()[1:], counts.tolist(), strict=False)
    return [Bin(low=a, high=b, groups=n, chosen=_within((a + b) / 2, view)) for a, b, n in bins]


def step_histogram(groups: StepGroups, name: str) -> str:
    """Return the histogram of a step's groups; a click on a bar keeps only its groups."""
    measure, bins = groups.view.measure, groups.bins
    if not bins:
        return f'<p class="dra-empty">No group of this step has a value of <b>{measure}</b>.</p>'
    most, slot = max(each.groups for each in bins), (RIGHT - LEFT) / len(bins)
    y = Scale(0, most * 1.05, BOTTOM, TOP)
    parts = [y_axis(y, LEFT, RIGHT, "groups", count=min(3, most))]
    for place, each in enumerate(bins):
        x, many = LEFT + place * slot, f"{each.groups} group{'' if each.groups == 1 else 's'}"
        said = f"{measure} {short(each.low)} to {short(each.high)}: {many}"
        edges = f'data-low="{each.low!r}" data-high="{each.high!r}" tabindex=0 role=button' if each.groups else ""
        top = y(each.groups)
        parts.append(rect(x, top, slot - 1, BOTTOM - top, "bin" if each.chosen else "bin off"))
        parts.append(rect(x, TOP, slot, BOTTOM - TOP, "field", title=said, rest=edges))
    parts.append(line(LEFT, BOTTOM, RIGHT, BOTTOM, "zero"))
    middle, low, high = (LEFT + RIGHT) / 2, bins[0].low, bins[-1].high
    ends = ((LEFT, low, "start"), (RIGHT, high, "end")) if low != high else ((middle, low, "middle"),)
    parts += [text(x, BOTTOM + 13, short(value), anchor=anchor) for x, value, anchor in ends]
    parts.append(text(middle, HEIGHT - 4, GROUP_MEASURES[measure].meaning, "axis"))
    title = f"Groups by {measure.replace('_', ' ')}"
    drawing = marks(WIDTH, HEIGHT, title, "".join(parts), 'data-histogram="1" role="group"')  # its bars are buttons
    rows: list[list[Cell]] = [["low", "high", "groups"]]
    rows += [[each.low, each.high, each.groups] for each in bins]
    return figure(title, drawing, rows=rows, name=f"{name}-{measure}")


def _place(row: Row) -> tuple[int, int]:
    return row["batch"], row["group_index"]


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _within(value: Any, view: StepView) -> bool:
    if view.low is None and view.high is None:
        return True
    number = _number(value)
    return (
        number is not None and (view.low is None or number >= view.low) and (view.high is None or number <= view.high)
    )
