"""The groups of one step: read in one query, then filtered and sorted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from dra_app.group_view import known
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.runs import Run

COLUMNS: tuple[str, ...] = ("reward", "reward_spread", "adjusted", "similarity", "vendi_score")
COLUMNS += ("abs_advantage", "correct_share", "tokens")
"""Columns of the table beside its place; every measure of a group can be sorted by."""
SORTABLE = ("group_index", *GROUP_MEASURES)
MARKS = {
    "zero": ("◇", "zero spread", "all raw rewards are equal: without the adjustment no gradient"),
    "flips": ("⇅", "flips", "completions whose advantage has the other sign than without the adjustment"),
    "copies": ("≡", "duplicates", "two or more completions are the same text"),
}
"""Mark -> its symbol, its name, what it says of a group."""
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepView:
    """What of a step's groups is asked for."""

    sort: str = "group_index"
    descending: bool = False
    marks: frozenset[str] = frozenset()
    """Only groups with all of these marks."""


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
    """Return the groups of a step filtered and sorted."""
    view = view or StepView()
    chosen = [row for row in rows if all(has_mark(row, mark) for mark in view.marks)]
    shown = sorted(chosen, key=itemgetter("batch", "group_index"))
    if view.sort != "group_index" or view.descending:
        there = [row for row in shown if known(row[view.sort]) is not None]
        there.sort(key=lambda row: row[view.sort], reverse=view.descending)
        shown = there + [row for row in shown if known(row[view.sort]) is None]
    counts = {mark: sum(has_mark(row, mark) for row in rows) for mark in MARKS}
    return StepGroups(step=step, mode=mode, rows=shown, total=len(rows), counts=counts, view=view)


def has_mark(row: Mapping[str, Any], mark: str) -> bool:
    """Return whether a group has a mark of `MARKS`."""
    if mark == "zero":
        return bool(row["zero_spread"])
    return bool(row["flips"]) if mark == "flips" else (row["distinct_ratio"] or 1) < 1
