"""The Evaluate page: step by benchmark, the curves, and two of the rows compared on the same problems."""

from collections.abc import Sequence

from markupsafe import Markup

from dra_app import params as read
from dra_app.pages import Answer, Page
from dra_app.pages.evaluate.scores import AVERAGE, metrics, pass_figure, score_of, scores, scores_figure
from dra_app.templates import part
from dra_toolkit.drawing.numbers import NOT_KNOWN
from dra_toolkit.errors import DRAError
from dra_toolkit.evaluation.report.about import METRICS, power_of
from dra_toolkit.evaluation.report.flips import flips
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.report.texts import as_text
from dra_toolkit.evaluation.statistics.comparison import compare
from dra_toolkit.runs import Run


def show(run: Run, params: read.Params) -> Answer:
    """Return the table and the figures."""
    report = scores(run)
    if report is None:
        return {"parts": {"table": part("evaluate", "nothing", run.name), "figures": "", "pair": ""}, "state": {}}
    known = metrics(report)
    metric = read.choice(params, "metric", known, known[0])
    title = f"{METRICS.get(metric, metric).capitalize()}, with 95 % intervals"
    several = len([row for row in report.rows if row.step is not None]) > 1
    figures = [scores_figure(report, run.name, metric=metric, title=title)] if several else []
    figures += [pass_figure(report, benchmark, i, run.name) for i, benchmark in enumerate(report.benchmarks)]
    left, right = _chosen(report, params)
    return {
        "parts": {"table": _table(report, metric, known), "figures": "".join(figures)},
        "state": {"metric": "" if metric == known[0] else metric, "left": left, "right": right},
    }


def pair(run: Run, params: read.Params) -> Answer:
    """Return two rows compared on the same problems."""
    report = scores(run)
    if report is None or len(report.rows) < 2:
        return {"parts": {"pair": ""}}
    left, right = _chosen(report, params)
    labels = [row.label for row in report.rows]
    rows = {row.label: row for row in report.rows}
    notes: list[str] = []
    try:
        found = compare(*(list(rows[side].cells.values()) for side in (left, right)), notes=notes)
        flipped, problem = flips(rows[left].cells, rows[right].cells, most=20), ""
        shared = [pair.benchmark for pair in found if pair.benchmark in rows[left].cells]
        notes += power_of([rows[left], rows[right]], shared)
    except DRAError as error:
        found, problem, flipped = [], "; ".join(error.problems), (0, [])
    options = [(label, label) for label in labels]
    return {"parts": {"pair": part("evaluate", "pair", options, left, right, found, notes, problem, *flipped)}}


def _table(report: Report, metric: str, metrics: Sequence[str]) -> Markup:
    """Return the scores, a row for each model or step, a column for each benchmark."""
    names = [*report.benchmarks, *([AVERAGE] if len(report.benchmarks) > 1 else [])]
    rows = []
    for row in report.rows:
        counts = sorted({cell.n for cell in row.cells.values()})
        samples = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else NOT_KNOWN
        rows.append((row, [score_of(report, row, name, metric) for name in names], samples))
    return part("evaluate", "table", report, metric, [(name, name) for name in metrics], names, rows)


def csv(run: Run, params: read.Params) -> Answer:
    """Return the scores as `dra eval report` writes them, whichever figure asks."""
    report = scores(run)
    metric = str(params.get("metric") or "avg")
    return {"csv": as_text(report, "csv", metrics=(metric,)) if report else ""}


def _chosen(report: Report, params: read.Params) -> tuple[str, str]:
    """Return the two rows that are compared: those asked for, or the first and the last."""
    labels = [row.label for row in report.rows]
    return read.choice(params, "left", labels, labels[0]), read.choice(params, "right", labels, labels[-1])


PAGE = Page(title="Evaluate", place=60, keys=("metric", "left", "right"), questions=(show, pair, csv))
