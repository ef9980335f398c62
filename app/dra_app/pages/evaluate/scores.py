"""What was evaluated of a run, read again only when something was added: scores, and as curves with 95 % intervals."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import numpy as np
from markupsafe import Markup

from dra_app.figure import figure, line_key
from dra_app.pages import spread
from dra_app.palette import colour, series
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.evaluation.report.gather import Report, Row, gather
from dra_toolkit.evaluation.results.stored import FACTS_FILE
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.runs import Run

SCORES = "evaluation"
"""Key of the figure of the scores over the steps."""
MOST_ROWS = 4
"""Rows whose pass@k is drawn: those that a rule chose, and of the others the first, the last, and some between."""
AVERAGE = "average"
"""Stands for all benchmarks."""
_kept: WeakKeyDictionary[Run, tuple[object, Report | None]] = WeakKeyDictionary()
_lock = threading.Lock()


def scores(run: Run) -> Report | None:
    """Return the report of a run, or None where nothing is evaluated; raises EvaluationError if nothing can be read."""
    stamp = _stamp(run)
    with _lock:
        known = _kept.get(run)
    if known is None or known[0] != stamp:
        known = (stamp, gather(run.directory.path) if stamp else None)
        with _lock:
            _kept[run] = known
    return known[1]


def metrics(report: Report) -> tuple[str, ...]:
    """Return the scores that at least one cell has, the mean first, then the judge's, then the vote, then pass@k by k."""
    names = {name for row in report.rows for cell in row.cells.values() for name in cell.scores}
    passes = sorted((name for name in names if name.startswith("pass@")), key=lambda name: int(name[5:]))
    return (*(name for name in ("avg", "judged", "maj", "repaired") if name in names), *passes)


def score_of(report: Report, row: Row, benchmark: str, metric: str) -> Score | None:
    """Return a score of a row on a benchmark, or the average over them."""
    return report.average(row, metric) if benchmark == AVERAGE else row.score(benchmark, metric)


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
    drawn = {row.label for row in spread(others, room)} | chosen
    return [row for row in rows if row.label in drawn]


def _from_scores(found: Sequence[Score | None], at: list[float], name: str, ink: str, dash: str) -> Line:
    def values(part: str) -> np.ndarray:
        return np.array([float("nan") if score is None else getattr(score, part) for score in found])

    low, mean, high = map(values, ("low", "value", "high"))
    return Line(name=name, steps=np.array(at), values=mean, colour=ink, dash=dash, low=low, high=high)


def _stamp(run: Run) -> tuple[tuple[str, int], ...]:
    found = []
    for path in sorted((run.directory.path / "evals").glob(f"*/*/*/{FACTS_FILE}")):
        with suppress(OSError):
            found.append((str(path), path.stat().st_mtime_ns))
    return tuple(found)
