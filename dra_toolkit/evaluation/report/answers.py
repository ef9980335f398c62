"""The answers behind the scores: how many were cut or unreadable, how different they are, which problems flipped."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dra_toolkit.diversity import adjust, mean_similarity, vendi_score
from dra_toolkit.embedding import Embedder
from dra_toolkit.evaluation.report.about import points
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.results.answers import read_lines
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult, by_problem
from dra_toolkit.evaluation.results.stored import Evaluation, read_outcomes

HEADS = ["model", "benchmark", "accuracy", "by judge", "cut", "tokens", "95 % of", "no result", "unscored"]
Measured = Mapping[str, Mapping[str, float]]
"""Label -> similarity and vendi_score, means over the benchmarks."""


def answer_rows(report: Report) -> list[list[str]]:
    """Return a row for each model and benchmark whose answers are known, under `HEADS`."""
    rows = []
    for row in report.rows:
        for name in report.benchmarks:
            cell = row.cells.get(name)
            if cell is None or (seen := cell.answers) is None:
                continue
            shares = [f"{100 * share:.1f} %" for share in (seen.cut, seen.unread, seen.unscored)]
            scores = [points(cell.scores.get(metric)) for metric in ("avg", "judged")]
            rows.append([row.label, name, *scores, shares[0], f"{seen.tokens:.0f}", f"≤ {seen.long:.0f}", *shares[1:]])
    return rows


def measure(report: Report, embedder: Embedder) -> dict[str, dict[str, float]]:
    """Return by label the mean similarity and Vendi score of the samples of a problem, averaged over the benchmarks.

    Labels without several samples of each problem are left out.
    """
    found: dict[str, list[np.ndarray]] = {}
    for evaluation in report.evaluations:
        values = list(_sample_diversity(evaluation, embedder)) if evaluation.benchmark in report.benchmarks else []
        if values:
            found.setdefault(evaluation.label, []).append(np.mean(values, axis=0))
    means = {label: np.mean(of, axis=0).tolist() for label, of in found.items()}
    return {label: dict(zip(("similarity", "vendi_score"), both, strict=True)) for label, both in means.items()}


def _sample_diversity(evaluation: Evaluation, embedder: Embedder) -> Iterator[tuple[float, float]]:
    """Yield the mean similarity and the Vendi score of the n samples of each problem; nothing for n = 1."""
    table = read_outcomes(evaluation, ("problem", "problem_index", "sample", "completion"))
    _, rows = by_problem(table, evaluation)
    for row in rows if rows.shape[1] > 1 else ():
        vectors = embedder.embed(table["completion"].take(row).to_pylist()).vectors
        measured = adjust(embeddings=vectors, totals=np.zeros(len(row))).similarity
        yield float(mean_similarity(measured)), float(vendi_score(measured))


def distinct_answers(row: Row) -> float | None:
    """Return the mean number of different parsed answers of a problem, over the benchmarks with several samples."""
    counts = [cell.distinct_answers for cell in _sampled(row) if cell.distinct_answers is not None]
    return float(np.mean(counts)) if counts else None


def sampled_pass(row: Row) -> dict[int, float]:
    """Return pass@k for each k that all benchmarks with several samples have, averaged over these."""
    cells = _sampled(row)
    ks = sorted(set.intersection(*(set(cell.ks) for cell in cells))) if cells else []
    return {k: float(np.mean([cell.scores[f"pass@{k}"].value for cell in cells])) for k in ks}


def _sampled(row: Row) -> list[BenchmarkResult]:
    return [cell for cell in row.cells.values() if cell.n > 1 and cell.ks]


def prompts_of(cell: BenchmarkResult, problems: Sequence[str]) -> dict[str, str]:
    """Return the prompts of some problems, as they were staged beside the evaluations."""
    files = cell.directory.parents[2].glob(f"data/{cell.benchmark}-*.jsonl") if cell.directory and problems else ()
    return {row["id"]: row["query"] for file in files for row in read_lines(file)}
