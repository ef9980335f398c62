"""The curves of a run: which measures share a figure, in which colours, with which units; every logged metric its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from dra_app import params as read
from dra_app.figure import Cell, figure, line_key
from dra_app.palette import colour, series
from dra_app.run_curves import Curves
from dra_toolkit.drawing.curves import Line, Steps, curves
from dra_toolkit.group_measures import GROUP_MEASURES, shown_in
from dra_toolkit.groups import Array

LONGEST_MEAN = 1_000


@dataclass(frozen=True)
class Panel:
    """One figure."""

    key: str
    title: str
    y_title: str
    lines: tuple[tuple[str, str, str], ...] = ()
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


def _panels() -> tuple[Panel, ...]:
    """Return a figure for each number of a group, those that tell most first."""
    second = {name for _, names in TOGETHER.values() for name in names[1:]}
    first = [measure.name for measure in shown_in("runs") if measure.name not in second]
    order = [*first, *(name for name in GROUP_MEASURES if name not in (*first, *second, "size"))]
    return tuple(map(_panel, order))


def _panel(name: str) -> Panel:
    measure = GROUP_MEASURES[name]
    title, names = TOGETHER.get(name, (f"{measure.label[:1].upper()}{measure.label[1:]}", (name,)))
    lines = tuple((each, GROUP_MEASURES[each].label, COLOURS.get(each, "ink")) for each in names)
    return Panel(name, title, measure.unit, lines, measure.percent, measure.from_zero, measure.meaning)


PANELS = _panels()
FUNCTIONS = "functions"
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

    def __call__(self, line: Line) -> Line:
        """Return the part of a curve that is drawn."""
        low = 0 if self.low is None else int(np.searchsorted(line.steps, self.low))
        high = len(line.steps) if self.high is None else int(np.searchsorted(line.steps, self.high, side="right"))
        ends = [None if each is None else each[low:high] for each in (line.low, line.high)]
        return replace(line, steps=line.steps[low:high], values=line.values[low:high], low=ends[0], high=ends[1])


def look_of(params: read.Params) -> Look:
    """Return how a request wants curves drawn."""
    smooth = min(read.whole(params, "smooth", 0) or 0, LONGEST_MEAN)
    return Look(smooth=smooth, low=read.whole(params, "from"), high=read.whole(params, "to"))


def drawn(panel: Panel, lines: Sequence[Line], look: Look, name: str) -> Markup:
    """Return a figure of lines; nothing where none of their values is known."""
    shown = [line for line in map(look, lines) if len(line.steps)]
    drawing = curves(shown, y_title=panel.y_title, smooth=look.smooth, percent=panel.percent, zero=panel.zero)
    legend = line_key(*((line.name, line.colour, line.dash) for line in lines))
    file = f"{name}-{panel.key.replace(':', '-').replace('/', '-')}"
    return figure(panel.title, drawing, name=file, key=panel.key, legend=legend, help=panel.help)


def panel_figure(panel: Panel, found: Curves, look: Look, name: str) -> Markup:
    """Return the figure of a panel."""
    lines = [
        Line(name=said, steps=found.steps, values=found.columns[measure], colour=colour(kind))
        for measure, said, kind in panel.lines
        if is_known(found.columns.get(measure))
    ]
    return drawn(panel, lines, look, name)


def functions_figure(found: Curves, look: Look, name: str) -> Markup:
    """Return the figure of the reward functions."""
    styles = map(series, range(2, len(found.columns) + 2))  # the first is the colour of the adjusted reward
    lines = [
        Line(name=each, steps=found.steps, values=values, colour=ink, dash=dash)
        for (each, values), (ink, dash) in zip(found.columns.items(), styles, strict=True)
    ]
    return drawn(Panel(FUNCTIONS, "Reward functions", "mean raw value"), lines, look, name)


def logged_figures(logged: dict[str, tuple[Steps, Array]], look: Look, name: str) -> dict[str, list[Markup]]:
    """Return a figure for each logged metric, in sections by what stands before the slash of its name."""
    sections: dict[str, list[Markup]] = {}
    rank = {first: place for place, first in enumerate(_FIRST)}
    for metric in sorted(logged, key=lambda m: ("/" in m, rank.get(m.partition("/")[0], len(rank)), m)):
        steps, values = logged[metric]
        percent = any(part in metric for part in _SHARES)
        section = metric.rpartition("/")[0].split("/")[0].replace("clip_ratio", "") or "optimisation"
        panel = Panel(f"{LOGGED}{metric}", metric, metric.rpartition("/")[2], percent=percent)
        made = drawn(panel, [Line(name=metric, steps=steps, values=values, colour=colour("ink"))], look, name)
        if made:
            sections.setdefault(section, []).append(made)
    return sections


def rows_of(steps: Steps, columns: dict[str, Array]) -> list[Sequence[Cell]]:
    """Return columns at steps as rows, the first their names."""
    rows = zip(steps.tolist(), *(values.tolist() for values in columns.values()), strict=True)
    return [["step", *columns], *rows]


def is_known(values: Array | None) -> bool:
    """Return whether a curve has at least one value."""
    return values is not None and bool(np.isfinite(values).any())
