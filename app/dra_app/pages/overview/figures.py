"""The curves of a run: which measures share a figure, in which colours, with which units; every logged metric its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dra_app.figure import Cell, figure, line_key
from dra_app.palette import colour, function
from dra_app.run_curves import Curves
from dra_toolkit.drawing.curves import Line, Steps, curves
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array


@dataclass(frozen=True)
class Panel:
    """One figure."""

    key: str
    title: str
    y_title: str
    lines: tuple[tuple[str, str, str], ...]
    """Measure, what it is called, the meaning of its colour."""
    percent: bool = False
    zero: bool = False
    help: str = ""


TOGETHER = {
    "reward": ("Reward", ("reward", "adjusted")),
    "similarity": ("Similarity", ("similarity", "max_similarity")),
    "weight": ("Weight", ("weight", "min_weight")),
    "abs_advantage_plain": ("Mean |advantage|", ("abs_advantage_plain", "abs_advantage")),
}
"""Numbers that share a figure, by the first of them; every other number of a group has one of its own."""
COLOURS = {
    "reward": "raw",
    "reward_spread": "raw",
    "abs_advantage_plain": "raw",
    "similarity": "similarity",
    "redundancy": "similarity",
    "vendi_score": "vendi",
    "distinct_answers": "distinct",
    "distinct_ratio": "copies",
    "correct_share": "up",
    "zero_spread": "zero",
    "flips": "flip",
    "cut_share": "down",
    **dict.fromkeys(("adjusted", "abs_advantage", "weight"), "adjusted"),
}
"""Number of a group -> the meaning whose colour its curve has; the others are drawn in ink."""
_FIRST_PANELS = ("reward", "correct_share", "similarity", "vendi_score", "distinct_answers", "zero_spread")


def _panels() -> tuple[Panel, ...]:
    """Return a figure for each number of a group, those that tell most first."""
    second = {name for _, names in TOGETHER.values() for name in names[1:]}
    order = [*_FIRST_PANELS, *(name for name in GROUP_MEASURES if name not in (*_FIRST_PANELS, *second, "size"))]
    return tuple(map(_panel, order))


def _panel(name: str) -> Panel:
    measure = GROUP_MEASURES[name]
    title, names = TOGETHER.get(name, (f"{measure.label[:1].upper()}{measure.label[1:]}", (name,)))
    lines = tuple((each, GROUP_MEASURES[each].label, COLOURS.get(each, "ink")) for each in names)
    return Panel(name, title, measure.unit, lines, measure.percent, measure.from_zero, measure.meaning)


PANELS = _panels()
FUNCTIONS, FUNCTIONS_TITLE = "functions", "Reward functions"
LOGGED = "logged:"
"""What the key of a logged metric's figure begins with."""
_SHARES = ("clip_ratio", "clipped_ratio", "frac_")
_FIRST = ("loss", "grad_norm", "learning_rate", "entropy", "kl", "clip_ratio")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How curves are drawn."""

    smooth: int
    """Steps whose mean is drawn; 0 leaves it to the length of the run."""
    low: int | None = None
    """First step that is drawn."""
    high: int | None = None

    def __call__(self, steps: Steps, values: Array) -> tuple[Steps, Array]:
        """Return the part of a curve that is drawn."""
        low = 0 if self.low is None else int(np.searchsorted(steps, self.low))
        high = len(steps) if self.high is None else int(np.searchsorted(steps, self.high, side="right"))
        return steps[low:high], values[low:high]


def drawn(
    title: str,
    y_title: str,
    lines: Sequence[tuple[str, Steps, Array, str, str, str]],
    look: Look,
    *,
    key: str,
    name: str,
    percent: bool = False,
    zero: bool = False,
    help: str = "",
) -> str:
    """Return a figure of lines: name, steps, values, colour, dash, what it belongs to; nothing where none is known."""
    made = []
    for said, steps, values, ink, dash, of in lines:
        at, shown = look(steps, values)
        if len(at):
            made.append(Line(name=said, steps=at, values=shown, colour=ink, dash=dash, of=of))
    drawing = curves(made, y_title=y_title, smooth=look.smooth, percent=percent, zero=zero)
    if not drawing:
        return ""
    legend = line_key(*((said, ink, dash) for said, _, _, ink, dash, _ in lines))
    return figure(
        title, drawing, name=f"{name}-{key.replace(':', '-').replace('/', '-')}", key=key, legend=legend, help=help
    )


def panel_figure(panel: Panel, found: Curves, look: Look, name: str) -> str:
    """Return the figure of a panel."""
    lines = [
        (said, found.steps, found.measures[measure], colour(kind), "", "")
        for measure, said, kind in panel.lines
        if is_known(found.measures.get(measure))
    ]
    return drawn(
        panel.title,
        panel.y_title,
        lines,
        look,
        key=panel.key,
        name=name,
        percent=panel.percent,
        zero=panel.zero,
        help=panel.help,
    )


def functions_figure(found: Curves, look: Look, name: str) -> str:
    """Return the figure of the reward functions."""
    lines = [
        (function_name, found.steps, values, *function(number), "")
        for number, (function_name, values) in enumerate(found.functions.items())
    ]
    return drawn(FUNCTIONS_TITLE, "mean raw value", lines, look, key=FUNCTIONS, name=name)


def logged_figures(logged: dict[str, tuple[Steps, Array]], look: Look, name: str) -> dict[str, list[str]]:
    """Return a figure for each logged metric, in sections by what stands before the slash of its name."""
    sections: dict[str, list[str]] = {}
    rank = {first: place for place, first in enumerate(_FIRST)}
    for metric in sorted(logged, key=lambda m: ("/" in m, rank.get(m.partition("/")[0], len(rank)), m)):
        steps, values = logged[metric]
        percent = any(part in metric for part in _SHARES)
        lines = [(metric, steps, values, colour("ink"), "", "")]
        section = metric.rpartition("/")[0].split("/")[0] or "optimisation"
        if section == "clip_ratio":
            section = "optimisation"
        made = drawn(
            metric, metric.rpartition("/")[2], lines, look, key=f"{LOGGED}{metric}", name=name, percent=percent
        )
        if made:
            sections.setdefault(section, []).append(made)
    return sections


def panel_rows(panel: Panel, found: Curves) -> list[Sequence[Cell]]:
    """Return a panel's numbers as rows, the first their names."""
    names = [name for name, _, _ in panel.lines if name in found.measures]
    return rows_of(found.steps, {name: found.measures[name] for name in names})


def rows_of(steps: Steps, columns: dict[str, Array]) -> list[Sequence[Cell]]:
    """Return columns at steps as rows, the first their names."""
    rows = zip(steps.tolist(), *(values.tolist() for values in columns.values()), strict=True)
    return [["step", *columns], *rows]


def is_known(values: Array | None) -> bool:
    """Return whether a curve has at least one value."""
    return values is not None and bool(np.isfinite(values).any())
