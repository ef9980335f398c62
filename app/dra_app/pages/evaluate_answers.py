"""What the server answers the Evaluate page."""

from __future__ import annotations

from typing import Any

from dra_app.data import params as read
from dra_app.data.evaluation_scores import metrics, paired, score_rows, scores
from dra_app.figures.evaluation_figures import PASS, SCORES, drawn_rows, legend, pass_figure, scores_figure
from dra_app.figures.overview_figures import short_name
from dra_app.figures.svg import csv_text
from dra_app.pages.evaluate_parts import nothing_part, pair_part, table_part
from dra_app.pages.overview_answers import look_of
from dra_app.pages.plot_frames import frame
from dra_toolkit.errors import DRAError
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.runs import Run

Answer = dict[str, Any]


def show(run: Run, params: read.Params) -> Answer:
    """Return the table and the figures."""
    report = scores(run)
    if report is None:
        return {"parts": {"table": nothing_part(run), "figures": "", "pair": ""}, "figures": {}, "state": {}}
    known = metrics(report)
    metric = read.choice(params, "metric", known, known[0])
    look, figures, frames = look_of(params), {}, []
    if len([row for row in report.rows if row.step is not None]) > 1:
        title = f"{_METRICS.get(metric, metric)}, with 95 % intervals"
        frames.append(frame(SCORES, title, legend(report, look), name=f"{run.name}-{SCORES}"))
        figures[SCORES] = scores_figure(report, look, keep=run.name, metric=metric)
    for number, benchmark in enumerate(report.benchmarks):
        figure = pass_figure(report, look, benchmark, keep=run.name)
        if figure is not None:
            key = f"{PASS}-{number}"
            rows = enumerate(drawn_rows(report, benchmark))
            lines = [(short_name(row.label), " ".join(look.series(i))) for i, row in rows]
            frames.append(frame(key, f"pass@k, {benchmark}", lines, name=f"{run.name}-{key}"))
            figures[key] = figure
    left, right = _chosen(report, params)
    return {
        "parts": {"table": table_part(report, metric, known), "figures": "".join(frames)},
        "figures": figures,
        "state": {"metric": "" if metric == known[0] else metric, "left": left, "right": right},
    }


_METRICS = {"avg": "Accuracy", "maj": "Majority vote", "repaired": "Accuracy, repaired metric"}


def pair(run: Run, params: read.Params) -> Answer:
    """Return two rows compared on the same problems."""
    report = scores(run)
    if report is None or len(report.rows) < 2:
        return {"parts": {"pair": ""}}
    left, right = _chosen(report, params)
    labels = [row.label for row in report.rows]
    try:
        found, problem = paired(report, left, right), ""
    except DRAError as error:
        found, problem = [], "; ".join(error.problems)
    return {"parts": {"pair": pair_part(labels, left, right, found, problem)}}


def csv(run: Run, params: read.Params) -> Answer:
    """Return all scores as CSV, whichever figure asks."""
    return {"csv": csv_text(score_rows(scores(run)))}


def _chosen(report: Report, params: read.Params) -> tuple[str, str]:
    """Return the two rows that are compared: those asked for, or the first and the last."""
    labels = [row.label for row in report.rows]
    return (
        read.choice(params, "left", labels, labels[0]),
        read.choice(params, "right", labels, labels[-1]),
    )
