"""Evaluation scores as Plotly figures: accuracy over the steps, pass@k over k, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dra_app.data.evaluation_scores import score_of
from dra_app.figures.overview_figures import short_name
from dra_app.figures.plots import Figure, Line, curve_figure
from dra_app.palette import Palette
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics.scores import Score

SCORES = "evaluation"
PASS = "pass-at-k"
MOST_ROWS = 4
"""Rows whose pass@k is drawn: the first, the last, and some between."""


def legend(report: Report, look: Palette) -> list[tuple[str, str]]:
    """Return the benchmarks with their colours."""
    names = [(short_name(name), " ".join(look.series(i))) for i, name in enumerate(report.benchmarks)]
    return [*names, ("average", look["ink"])] if len(names) > 1 else names


def scores_figure(report: Report, look: Palette, *, keep: str, metric: str = "avg") -> Figure:
    """Return a score of each benchmark over the steps."""
    rows = [row for row in report.rows if row.step is not None]
    lines = []
    for number, name in enumerate(report.benchmarks):
        colour, dash = look.series(number)
        lines.append(_line(rows, lambda row, n=name: score_of(report, row, n, metric), short_name(name), colour, dash))  # type: ignore[misc]
    if len(report.benchmarks) > 1:
        lines.append(_line(rows, lambda row: score_of(report, row, "", metric), "average", look["ink"], "solid"))
    steps = np.array([row.step for row in rows], dtype=np.int64)
    return curve_figure(steps, lines, look, y_title="share of problems", percent=True, keep=f"{keep} {metric}")


def pass_figure(report: Report, look: Palette, benchmark: str, *, keep: str) -> Figure | None:
    """Return pass@k over k of some rows on one benchmark; None where one sample of each problem is all there is."""
    rows = drawn_rows(report, benchmark)
    ks = sorted({k for row in rows for k in row.cells[benchmark].ks})
    if len(ks) < 2:
        return None
    lines = []
    for number, row in enumerate(rows):
        colour, dash = look.series(number)
        found = [row.score(benchmark, f"pass@{k}") for k in ks]
        lines.append(_from_scores(found, short_name(row.label), colour, dash))
    figure = curve_figure(
        np.array(ks), lines, look, y_title="share of problems", percent=True, keep=f"{keep} {benchmark}"
    )
    across = figure["layout"]["xaxis"]
    across |= {"title": across["title"] | {"text": "k, samples of a problem"}, "type": "log", "tickvals": ks}
    return figure


def drawn_rows(report: Report, benchmark: str) -> list[Row]:
    """Return the rows whose pass@k is drawn."""
    rows = [row for row in report.rows if benchmark in row.cells]
    if len(rows) <= MOST_ROWS:
        return rows
    return [rows[i * (len(rows) - 1) // (MOST_ROWS - 1)] for i in range(MOST_ROWS)]


def _line(rows: Sequence[Row], of: Callable[[Row], Score | None], name: str, colour: str, dash: str) -> Line:
    return _from_scores([of(row) for row in rows], name, colour, dash)


def _from_scores(found: Sequence[Score | None], name: str, colour: str, dash: str) -> Line:
    def values(take: Callable[[Score], float]) -> np.ndarray:
        return np.array([float("nan") if score is None else take(score) for score in found])

    up, down = values(lambda s: s.high - s.value), values(lambda s: s.value - s.low)
    return Line(name=name, values=values(lambda s: s.value), colour=colour, dash=dash, errors=(up, down), markers=True)
