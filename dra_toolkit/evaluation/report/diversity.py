"""How different the n samples of a problem are, row by row of a report, beside what they achieve."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dra_toolkit.embedding import Embedder
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult, sample_diversity
from dra_toolkit.evaluation.statistics.scores import Score, plain_mean

Measured = Mapping[str, Mapping[str, Score]]
"""Label -> similarity and vendi_score, means over the benchmarks."""


def measure(report: Report, embedder: Embedder) -> dict[str, dict[str, Score]]:
    """Return by label the mean similarity and Vendi score of the samples of a problem, averaged over the benchmarks.

    Labels without several samples of each problem are left out.
    """
    found: dict[str, dict[str, list[Score]]] = {}
    for evaluation in report.evaluations:
        if evaluation.benchmark in report.benchmarks:
            for name, value in sample_diversity(evaluation, embedder).items():
                found.setdefault(evaluation.label, {}).setdefault(name, []).append(value)
    return {
        label: {name: plain_mean([v.value for v in of], [v.error for v in of]) for name, of in by.items()}
        for label, by in found.items()
    }


def distinct_answers(row: Row) -> float | None:
    """Return the mean number of different parsed answers of a problem, over the benchmarks with several samples."""
    counts = [cell.distinct_answers for cell in _sampled(row) if cell.distinct_answers is not None]
    return float(np.mean(counts)) if counts else None


def sampled_pass(row: Row) -> dict[int, float]:
    """Return pass@k for each k that all benchmarks with several samples have, averaged over these."""
    cells = _sampled(row)
    if not cells:
        return {}
    ks = sorted(set.intersection(*(set(cell.ks) for cell in cells)))
    return {k: float(np.mean([cell.scores[f"pass@{k}"].value for cell in cells])) for k in ks}


def _sampled(row: Row) -> list[BenchmarkResult]:
    return [cell for cell in row.cells.values() if cell.n > 1 and cell.ks]
