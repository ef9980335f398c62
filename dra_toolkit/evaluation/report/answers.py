"""The answers behind the scores: how many were cut or unreadable, how different they are, which problems flipped."""

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

HEADS = ["model", "benchmark", "accuracy", "by judge", "cut", "tokens", "95 % of", "no result", "unscored"]
Measured = Mapping[str, Mapping[str, float]]
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


def flips(
    left: Mapping[str, BenchmarkResult], right: Mapping[str, BenchmarkResult], most: int
) -> tuple[int, list[Flip]]:
    """Return how many problems flipped between two models, given by their cells, and the clearest `most` of them.

    Only benchmarks whose answers lie on this machine take part, and only the answers that are shown are read.
    """
    pairs = {name: (left[name], right[name]) for name in left.keys() & right.keys()}
    found = sorted(flip for name, pair in pairs.items() for flip in _flipped(name, *pair))
    shown = {}
    for name, pair in pairs.items():
        problems = [problem for _, where, problem in found[:most] if where == name]
        sides, queries = [_answers(cell, problems) for cell in pair if problems], _queries(pair[0], problems)
        for problem in problems:
            one, other = (_side(cell.label, side[problem]) for cell, side in zip(pair, sides, strict=True))
            gold, query = str(sides[0][problem][0]["gold"]), queries.get(problem, "")
            flip = Flip(benchmark=name, problem=problem, query=query, gold=gold, left=one, right=other)
            shown[name, problem] = flip
    return len(found), [shown[name, problem] for _, name, problem in found[:most]]


def _flipped(name: str, *pair: BenchmarkResult) -> Iterator[tuple[float, str, str]]:
    """Yield each problem that flipped, with what sorts the clearest ones first."""
    known = [(cell.problems, cell.correct.mean(axis=1)) for cell in pair if cell.correct is not None and cell.directory]
    if len(known) == len(pair):
        ours, theirs = (dict(zip(problems, right.tolist(), strict=True)) for problems, right in known)
        for problem in ours.keys() & theirs.keys():
            if (ours[problem] > 0.5) != (theirs[problem] > 0.5):
                yield -abs(theirs[problem] - ours[problem]), name, problem


def _answers(cell: BenchmarkResult, problems: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the samples of some problems."""
    assert cell.directory is not None
    names = ["problem", "sample", "correct", "gold", "answer", "tokens", "finish_reason", "completion"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_outcomes(read_evaluation(cell.directory), names, problems).to_pylist():
        found.setdefault(row["problem"], []).append(row)
    return found


def _side(label: str, rows: Sequence[dict[str, Any]]) -> Side:
    right = sum(row["correct"] for row in rows) / len(rows)
    shown = next((row for row in rows if row["correct"] == (right > 0.5)), rows[0])
    told = {name: shown[name] for name in ("completion", "answer", "tokens")}
    return Side(label=label, right=right, finish=shown["finish_reason"], **told)


def _queries(cell: BenchmarkResult, problems: Sequence[str]) -> dict[str, str]:
    """Return the prompts of some problems, as they were staged beside the evaluations."""
    files = cell.directory.parents[2].glob(f"data/{cell.benchmark}-*.jsonl") if cell.directory and problems else ()
    return {row["id"]: row["query"] for file in files for row in read_lines(file)}
