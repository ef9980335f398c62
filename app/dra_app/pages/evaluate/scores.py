"""What was evaluated of a run: the report that `dra eval report` shows, read again only when something was added."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from dra_toolkit.evaluation.report.gather import Report, Row, gather
from dra_toolkit.evaluation.results.stored import FACTS_FILE
from dra_toolkit.evaluation.statistics.comparison import Paired, compare
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.runs import Run

Cell = str | int | float
AVERAGE = "average"
"""Stands for all benchmarks."""
_kept: WeakKeyDictionary[Run, tuple[object, Report | None]] = WeakKeyDictionary()
_lock = threading.Lock()


def scores(run: Run) -> Report | None:
    """Return the report of a run, or None where nothing is evaluated; raises EvaluationError if nothing can be read."""
    stamp = _stamp(run.directory.path / "evals")
    with _lock:
        known = _kept.get(run)
    if known is None or known[0] != stamp:
        known = (stamp, gather(run.directory.path) if stamp else None)
        with _lock:
            _kept[run] = known
    return known[1]


def paired(report: Report, left: str, right: str) -> list[Paired]:
    """Return the comparison of two rows by their labels, right minus left; raises EvaluationError if there is none."""
    rows = {row.label: row for row in report.rows}
    return compare(list(rows[left].cells.values()), list(rows[right].cells.values()))


def metrics(report: Report) -> tuple[str, ...]:
    """Return the scores that at least one cell has, the mean first, then the judge's, then the vote, then pass@k by k."""
    names = {name for row in report.rows for cell in row.cells.values() for name in cell.scores}
    passes = sorted((name for name in names if name.startswith("pass@")), key=lambda name: int(name[5:]))
    return (*(name for name in ("avg", "judged", "maj", "repaired") if name in names), *passes)


def score_rows(report: Report | None) -> list[Sequence[Cell]]:
    """Return every score as a row, the first row their names."""
    head: list[Sequence[Cell]] = [
        ("label", "step", "benchmark", "metric", "score", "error", "low", "high", "problems", "samples")
    ]
    if report is None:
        return head
    for row in report.rows:
        for benchmark, cell in row.cells.items():
            for metric, score in cell.scores.items():
                numbers = (score.value, score.error, score.low, score.high)
                place = (row.label, "" if row.step is None else row.step, benchmark, metric)
                head.append((*place, *numbers, score.problems, cell.n))
    return head


def score_of(report: Report, row: Row, benchmark: str, metric: str) -> Score | None:
    """Return a score of a row on a benchmark, or the average over them."""
    return report.average(row, metric) if benchmark == AVERAGE else row.score(benchmark, metric)


def _stamp(evals: Path) -> tuple[tuple[str, int], ...]:
    found = []
    for path in sorted(evals.glob(f"*/*/*/{FACTS_FILE}")):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(found)
