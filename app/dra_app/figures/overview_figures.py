"""The curves of the Overview and the Compare page: which measures share a figure, in which colours, with which units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dra_app.data.curves import Curves, Steps
from dra_app.figures.plots import SMOOTHED_SHARE, Figure, Line, curve_figure
from dra_app.palette import Palette
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


PANELS = (
    Panel(
        "reward",
        "Reward",
        "mean total reward",
        (("reward", "raw", "raw"), ("adjusted", "adjusted", "adjusted")),
        help="mean over the groups of a step of the weighted total, before and after the diversity adjustment",
    ),
    Panel("similarity", "Similarity", "mean cosine similarity", (("similarity", "similarity", "similarity"),)),
    Panel(
        "vendi_score",
        "Vendi score",
        "effective completions",
        (("vendi_score", "Vendi score", "vendi"),),
        help="effective number of different completions in a group",
    ),
    Panel(
        "distinct_answers",
        "Distinct answers",
        "answers per group",
        (("distinct_answers", "distinct answers", "distinct"),),
        zero=True,
        help="different final answers in a group; 0 where no answer was recognised",
    ),
    Panel(
        "zero_spread",
        "Zero-spread groups",
        "share of groups",
        (("zero_spread", "zero spread", "zero"),),
        percent=True,
        zero=True,
        help="groups whose raw totals are all equal: without an adjustment they teach nothing",
    ),
    Panel(
        "abs_advantage",
        "Mean |advantage|",
        "mean |advantage|",
        (("abs_advantage_plain", "without adjustment", "raw"), ("abs_advantage", "as trained", "adjusted")),
        zero=True,
    ),
    Panel("correct_share", "Correct", "share of completions", (("correct_share", "correct", "up"),), percent=True),
    Panel(
        "flips",
        "Sign flips",
        "advantages per step",
        (("flips", "flips", "flip"),),
        zero=True,
        help="completions whose advantage has the other sign than without the adjustment",
    ),
    Panel("tokens", "Length", "mean tokens", (("tokens", "tokens", "ink"),)),
)
COMPARED = (
    *(
        Panel(measure, title, panel.y_title, ((measure, title, "left"),), panel.percent, panel.zero, panel.help)
        for measure, title, panel in (
            ("reward", "Reward, raw", PANELS[0]),
            ("adjusted", "Reward, adjusted", PANELS[0]),
            ("abs_advantage", "Mean |advantage|, as trained", PANELS[5]),
        )
    ),
    *(panel for panel in PANELS if len(panel.lines) == 1),
)
"""The figures of the Compare page: one measure each, a line for each run."""
FUNCTIONS = "functions"
FUNCTIONS_TITLE = "Reward functions"


def shown_panels(curves: Curves) -> list[Panel]:
    """Return the panels of which at least one measure is known at some step."""
    return [panel for panel in PANELS if any(_is_known(curves.measures.get(name)) for name, _, _ in panel.lines)]


def panel_figure(panel: Panel, curves: Curves, look: Palette, *, smooth: int, keep: str) -> Figure:
    """Return the figure of a panel."""
    lines = [Line(name=said, values=curves.measures[m], colour=look[kind]) for m, said, kind in panel.lines]
    return curve_figure(
        curves.steps,
        lines,
        look,
        y_title=panel.y_title,
        percent=panel.percent,
        zero=panel.zero,
        smooth=smooth,
        keep=f"{keep} {panel.key}",
    )


def functions_figure(curves: Curves, look: Palette, *, smooth: int, keep: str) -> Figure:
    """Return the figure of the reward functions."""
    lines = []
    for number, (name, values) in enumerate(curves.functions.items()):
        colour, dash = look.function(number)
        lines.append(Line(name=short_name(name), values=values, colour=colour, dash=dash))
    return curve_figure(curves.steps, lines, look, y_title="mean raw value", smooth=smooth, keep=f"{keep} functions")


def compared_figure(
    panel: Panel, both: tuple[Curves, Curves], names: tuple[str, str], look: Palette, *, smooth: int
) -> Figure:
    """Return one measure of two runs in one figure; the right one is dashed as well."""
    parts = []
    longest = max(len(curves.steps) for curves in both)
    smooth = smooth or max(1, longest // SMOOTHED_SHARE)
    for curves, name, kind in zip(both, names, ("left", "right"), strict=True):
        values = curves.measures.get(panel.lines[0][0], np.zeros(0))
        line = Line(name=short_name(name), values=values, colour=look[kind], dash="solid" if kind == "left" else "dash")
        keep = f"{' '.join(names)} {panel.key}"
        figure = curve_figure(
            curves.steps,
            [line],
            look,
            y_title=panel.y_title,
            percent=panel.percent,
            zero=panel.zero,
            smooth=smooth,
            keep=keep,
        )
        parts.append([trace | {"meta": name} for trace in figure["data"]])
        layout = figure["layout"]
    return {"data": [*parts[0], *parts[1]], "layout": layout}


def compared_rows(
    panel: Panel, both: tuple[Curves, Curves], names: tuple[str, str]
) -> list[Sequence[str | int | float]]:
    """Return the numbers of two runs as rows: run, step, value."""
    measure = panel.lines[0][0]
    rows: list[Sequence[str | int | float]] = [("run", "step", measure)]
    for curves, name in zip(both, names, strict=True):
        values = curves.measures.get(measure, np.zeros(0))
        rows += [(name, step, value) for step, value in zip(curves.steps.tolist(), values.tolist(), strict=True)]
    return rows


def panel_rows(panel: Panel, curves: Curves) -> list[Sequence[str | int | float]]:
    """Return a panel's numbers as rows, the first their names."""
    names = [name for name, _, _ in panel.lines]
    return rows_of(curves.steps, {name: curves.measures[name] for name in names})


def rows_of(steps: Steps, columns: dict[str, Array]) -> list[Sequence[str | int | float]]:
    """Return columns at steps as rows, the first their names."""
    rows = zip(steps.tolist(), *(values.tolist() for values in columns.values()), strict=True)
    return [["step", *columns], *rows]


def short_name(name: str) -> str:
    """Return a name that a legend has room for; Plotly would read `<` as markup."""
    shown = name if len(name) <= 40 else f"{name[:39]}…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_known(values: Array | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())
