"""Everything that a report shows of one model on one benchmark, from our own outcomes or another tool's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.diversity import adjust, mean_similarity, vendi_score
from dra_toolkit.embedding import Embedder
from dra_toolkit.evaluation.outcomes import Evaluation, EvaluationError, read_outcomes
from dra_toolkit.evaluation.statistics import Bools, Score, majority, pass_at_k, score
from dra_toolkit.groups import Array

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model, or step of a run, on one benchmark."""

    label: str
    step: int | None
    benchmark: str
    n: int
    """Samples of each problem; 0 where another tool does not say."""
    scores: Mapping[str, Score]
    """avg, maj, pass@1 ... pass@n, and repaired where there is a second metric."""
    problems: tuple[str, ...] = ()
    """Identities of the problems, in order; empty where only the scores are known."""
    correct: Bools | None = None
    """(P, n)"""
    distinct_answers: float | None = None
    """Mean number of different parsed answers of a problem."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    hash_examples: str | None = None
    """lighteval's hash over the prompts."""
    source: str = "dra"

    @property
    def ks(self) -> list[int]:
        """The k of pass@k that are known, ascending."""
        return sorted(int(name.removeprefix("pass@")) for name in self.scores if name.startswith("pass@"))


def cell_of(evaluation: Evaluation) -> Cell:
    """Return the scores of a finished evaluation; raises EvaluationError if it is damaged or uneven."""
    table = read_outcomes(evaluation)
    problems, rows = _by_problem(table, evaluation)
    correct = np.asarray(table["correct"].to_pylist(), dtype=bool)[rows]
    answers = [[table["answer"][int(i)].as_py() for i in row] for row in rows]
    n = correct.shape[1]
    scores = {"avg": score(correct.mean(axis=1)), "maj": score(majority(answers, correct))}
    scores |= {f"pass@{k}": score(pass_at_k(correct, k)) for k in range(1, n + 1)}
    repaired = table["correct_repaired"].to_pylist()
    if all(value is not None for value in repaired):
        scores["repaired"] = score(np.asarray(repaired, dtype=bool)[rows].mean(axis=1))
    distinct = [len({answer for answer in row if answer is not None}) for row in answers]
    return Cell(
        label=evaluation.label,
        step=evaluation.step,
        benchmark=evaluation.benchmark,
        n=n,
        scores=scores,
        problems=problems,
        correct=correct,
        distinct_answers=float(np.mean(distinct)),
        settings=evaluation.settings,
        hash_examples=evaluation.facts.get("hash_examples"),
    )


def sample_diversity(evaluation: Evaluation, embedder: Embedder) -> dict[str, Score]:
    """Return the mean similarity and the Vendi score of a problem's n samples, over the problems; empty for n = 1."""
    table = read_outcomes(evaluation)
    _, rows = _by_problem(table, evaluation)
    if rows.shape[1] < 2:
        return {}
    texts = table["completion"].to_pylist()
    similarity, vendi = [], []
    for row in rows:
        vectors = embedder.embed([texts[int(i)] for i in row]).vectors
        measured = adjust(embeddings=vectors, totals=np.zeros(len(row))).similarity
        similarity.append(float(mean_similarity(measured)))
        vendi.append(float(vendi_score(measured)))
    return {"similarity": _mean(similarity), "vendi_score": _mean(vendi)}


def _mean(values: Sequence[float]) -> Score:
    """Return a mean that is no share: its interval is not cut at 0 and 1."""
    found: Array = np.asarray(values)
    value = float(found.mean())
    error = float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
    return Score(value=value, error=error, low=value - 1.96 * error, high=value + 1.96 * error, problems=len(found))


def _by_problem(table: pa.Table, evaluation: Evaluation) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the problems in order and the rows of their samples, (P, n)."""
    order: dict[str, list[tuple[int, int]]] = {}
    index = {name: table[name].to_pylist() for name in ("problem", "problem_index", "sample")}
    by_index = sorted(range(len(table)), key=lambda row: (index["problem_index"][row], index["sample"][row]))
    for row in by_index:
        order.setdefault(index["problem"][row], []).append((index["sample"][row], row))
    counts = {len(samples) for samples in order.values()}
    if not order:
        raise EvaluationError(f"{evaluation.directory}: holds no answer")
    if len(counts) != 1:
        raise EvaluationError(
            f"{evaluation.directory}: problems have {min(counts)} to {max(counts)} samples, expected the same number of each"
        )
    return tuple(order), np.array([[row for _, row in samples] for samples in order.values()])
