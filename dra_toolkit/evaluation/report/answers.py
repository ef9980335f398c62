"""The answers behind the scores: how many were cut or unreadable, how different they are, which problems flipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.diversity import adjust, mean_similarity, vendi_score
from dra_toolkit.embedding import Embedder
from dra_toolkit.evaluation.report.about import points
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.results.answers import read_lines
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult, by_problem
from dra_toolkit.evaluation.results.stored import Evaluation, read_evaluation, read_outcomes
from dra_toolkit.evaluation.statistics.scores import Score, plain_mean

HEADS = ["model", "benchmark", "accuracy", "by judge", "cut", "tokens", "95 % of", "no result", "unscored"]
Measured = Mapping[str, Mapping[str, Score]]
"""Label -> similarity and vendi_score, means over the benchmarks."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one of two models made of a problem."""

    label: str
    right: float
    """Share of its samples that are right."""
    completion: str
    """One that stands for the others."""
    answer: str | None
    tokens: int
    finish: str


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A problem that one of two models mostly solves and the other mostly does not."""

    benchmark: str
    problem: str
    query: str
    """The prompt, where it is kept."""
    gold: str
    left: Side
    right: Side


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


def measure(report: Report, embedder: Embedder) -> dict[str, dict[str, Score]]:
    """Return by label the mean similarity and Vendi score of the samples of a problem, averaged over the benchmarks.

    Labels without several samples of each problem are left out.
    """
    found: dict[str, list[np.ndarray]] = {}
    for evaluation in report.evaluations:
        values = list(_sample_diversity(evaluation, embedder)) if evaluation.benchmark in report.benchmarks else []
        if values:
            found.setdefault(evaluation.label, []).append(np.array(values))
    measured: dict[str, dict[str, Score]] = {}
    for label, tables in found.items():
        for column, name in enumerate(("similarity", "vendi_score")):
            means = [plain_mean(table[:, column].tolist()) for table in tables]
            measured.setdefault(label, {})[name] = plain_mean([m.value for m in means], [m.error for m in means])
    return measured


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


def flips(left: Mapping[str, BenchmarkResult], right: Mapping[str, BenchmarkResult]) -> list[Flip]:
    """Return the problems that flipped between two models, given by their cells, the clearest first.

    Only benchmarks whose answers lie on this machine take part.
    """
    found = []
    for name in left.keys() & right.keys():
        cells = left[name], right[name]
        if any(cell.directory is None for cell in cells):
            continue
        sides, queries = [_by_problem(cell) for cell in cells], _queries(cells[0])
        for problem in sides[0].keys() & sides[1].keys():
            one, other = (_side(cell.label, side[problem]) for cell, side in zip(cells, sides, strict=True))
            if (one.right > 0.5) != (other.right > 0.5):
                gold, query = str(sides[0][problem][0]["gold"]), queries.get(problem, "")
                found.append(Flip(benchmark=name, problem=problem, query=query, gold=gold, left=one, right=other))
    return sorted(found, key=lambda flip: (-abs(flip.right.right - flip.left.right), flip.benchmark, flip.problem))


def _by_problem(cell: BenchmarkResult) -> dict[str, list[dict[str, Any]]]:
    assert cell.directory is not None
    names = ["problem", "sample", "correct", "gold", "answer", "tokens", "finish_reason", "completion"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_outcomes(read_evaluation(cell.directory), names).to_pylist():
        found.setdefault(row["problem"], []).append(row)
    return found


def _side(label: str, rows: Sequence[dict[str, Any]]) -> Side:
    right = sum(row["correct"] for row in rows) / len(rows)
    shown = next((row for row in rows if row["correct"] == (right > 0.5)), rows[0])
    told = {name: shown[name] for name in ("completion", "answer", "tokens")}
    return Side(label=label, right=right, finish=shown["finish_reason"], **told)


def _queries(cell: BenchmarkResult) -> dict[str, str]:
    """Return the prompts by problem, as they were staged beside the evaluations."""
    assert cell.directory is not None
    data = cell.directory.parents[2] / "data"
    return {row["id"]: row["query"] for file in data.glob(f"{cell.benchmark}-*.jsonl") for row in read_lines(file)}
