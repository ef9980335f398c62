"""Evaluation scores as curves: accuracy over the steps, pass@k over k, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from dra_app.figure import figure, line_key
from dra_app.pages.evaluate.scores import AVERAGE, score_of
from dra_app.palette import colour, series
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics.scores import Score

SCORES = "evaluation"
MOST_ROWS = 4
"""Rows whose pass@k is drawn: those that a rule chose, and of the others the first, the last, and some between."""


def scores_figure(report: Report, name: str, *, metric: str = "avg", title: str = "Evaluation scores") -> Markup:
    """Return a score of each benchmark over the steps; nothing where no step was evaluated."""
    rows = [row for row in report.rows if row.step is not None]
    if not rows:
        return Markup("")
    names = [*report.benchmarks, *([AVERAGE] if len(report.benchmarks) > 1 else [])]
    lines = []
    for number, benchmark in enumerate(names):
        ink, dash = series(number) if benchmark != AVERAGE else (colour("ink"), "")
        steps = [float(row.step or 0) for row in rows]
        found = [score_of(report, row, benchmark, metric) for row in rows]
        lines.append(_from_scores(found, steps, benchmark, ink, dash))
    return _figure(title, lines, SCORES, f"{name}-{SCORES}")


def pass_figure(report: Report, benchmark: str, number: int, name: str) -> Markup:
    """Return pass@k over k of some rows on one benchmark; nothing where one sample of each problem is all there is."""
    rows = _drawn_rows(report, benchmark)
    ks = sorted({k for row in rows for k in row.cells[benchmark].ks})
    if len(ks) < 2:
        return Markup("")
    lines = []
    for place, row in enumerate(rows):
        found = [row.score(benchmark, f"pass@{k}") for k in ks]
        lines.append(_from_scores(found, list(map(float, ks)), row.label, *series(place)))
    key = f"pass-at-k-{number}"
    of = sum(benchmark in row.cells for row in report.rows)
    title = f"pass@k, {benchmark}" + (f" ({len(rows)} of {of} rows, with those chosen)" if len(rows) < of else "")
    return _figure(title, lines, key, f"{name}-{key}", x_title="k, samples of a problem", is_log=True)


def _figure(
    title: str, lines: Sequence[Line], key: str, name: str, x_title: str = "step", is_log: bool = False
) -> Markup:
    drawing = curves(lines, y_title="share of problems", x_title=x_title, percent=True, is_log=is_log)
    legend = line_key(*((line.name, line.colour, line.dash) for line in lines))
    return figure(title, drawing, name=name, key=key, legend=legend)


def _drawn_rows(report: Report, benchmark: str) -> list[Row]:
    rows = [row for row in report.rows if benchmark in row.cells]
    chosen = {choice.label for choice in report.choices}
    others = [row for row in rows if row.label not in chosen]
    room = max(0, MOST_ROWS - (len(rows) - len(others)))
    spread = np.linspace(0, len(others) - 1, min(room, len(others))).round() if others else ()
    drawn = {others[int(place)].label for place in spread} | chosen
    return [row for row in rows if row.label in drawn]


def _from_scores(found: Sequence[Score | None], at: list[float], name: str, ink: str, dash: str) -> Line:
    def values(take: Callable[[Score], float]) -> np.ndarray:
        return np.array([float("nan") if score is None else take(score) for score in found])

    low, high = values(lambda s: s.low), values(lambda s: s.high)
    return Line(
        name=name, steps=np.array(at), values=values(lambda s: s.value), colour=ink, dash=dash, low=low, high=high
    )
