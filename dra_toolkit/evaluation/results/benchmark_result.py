"""Everything that a report shows of one model on one benchmark, from our own outcomes or another tool's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.diversity import adjust, mean_similarity, vendi_score
from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, Evaluation
from dra_toolkit.evaluation.statistics.scores import Bools, Score, Z, majority, pass_at_k, score
from dra_toolkit.groups import Array
from dra_toolkit.judge.judging import joined

if TYPE_CHECKING:
    import pyarrow as pa

_PLACE = ("problem", "problem_index", "sample")


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """One model, or step of a run, on one benchmark."""

    label: str
    step: int | None
    experiment: str = ""
    """What the step is one of: a run, or the part of another tool's label that its steps share."""
    benchmark: str
    n: int
    """Samples of each problem; 0 where another tool does not say."""
    scores: Mapping[str, Score]
    """avg, maj, pass@1 ... pass@n, and judged, the mean by the judge (repaired: a second metric of older results)."""
    problems: tuple[str, ...] = ()
    """Identities of the problems, in order; empty where only the scores are known."""
    correct: Bools | None = None
    """(P, n)"""
    distinct_answers: float | None = None
    """Mean number of different parsed answers of a problem."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    hash_examples: str | None = None
    """lighteval's hash over the prompts."""
    note: str | None = None
    """Why it is not comparable with figures for the whole benchmark."""
    source: str = "dra"

    @property
    def ks(self) -> list[int]:
        """The k of pass@k that are known, ascending."""
        return sorted(int(name.removeprefix("pass@")) for name in self.scores if name.startswith("pass@"))


def cell_of(evaluation: Evaluation) -> BenchmarkResult:
    """Return the scores of a finished evaluation; raises EvaluationError if it is damaged or uneven."""
    second = _second_metric(evaluation)
    table = _read(evaluation, (*_PLACE, "correct", second, "answer"))
    problems, rows = _by_problem(table, evaluation)
    correct = np.asarray(table["correct"].to_pylist(), dtype=bool)[rows]
    parsed = table["answer"].to_pylist()
    answers = [joined(parsed[i] for i in row) for row in rows]
    n = correct.shape[1]
    scores = {"avg": score(correct.mean(axis=1)), "maj": score(majority(answers, correct))}
    scores |= {f"pass@{k}": score(pass_at_k(correct, k)) for k in range(1, n + 1)}
    verdicts = table[second].to_pylist()
    if all(value is not None for value in verdicts):
        scores[second.removeprefix("correct_")] = score(np.asarray(verdicts, dtype=bool)[rows].mean(axis=1))
    distinct = [len({answer for answer in row if answer is not None}) for row in answers]
    return BenchmarkResult(
        label=evaluation.label,
        step=evaluation.step,
        experiment=evaluation.run or "",
        benchmark=evaluation.benchmark,
        n=n,
        scores=scores,
        problems=problems,
        correct=correct,
        distinct_answers=float(np.mean(distinct)),
        settings=evaluation.settings,
        hash_examples=evaluation.facts.get("hash_examples"),
        note=evaluation.facts.get("comparable_note"),
    )


def sample_diversity(evaluation: Evaluation, embedder: Embedder) -> dict[str, Score]:
    """Return the mean similarity and the Vendi score of a problem's n samples, over the problems; empty for n = 1."""
    table = _read(evaluation, (*_PLACE, "completion"))
    _, rows = _by_problem(table, evaluation)
    if rows.shape[1] < 2:
        return {}
    similarity, vendi = [], []
    for row in rows:
        vectors = embedder.embed(table["completion"].take(row).to_pylist()).vectors
        measured = adjust(embeddings=vectors, totals=np.zeros(len(row))).similarity
        similarity.append(float(mean_similarity(measured)))
        vendi.append(float(vendi_score(measured)))
    return {"similarity": _mean(similarity), "vendi_score": _mean(vendi)}


def _read(evaluation: Evaluation, names: Sequence[str]) -> pa.Table:
    """Return some columns of the samples: completions can be a hundred times as large as the rest together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if evaluation.problems:
        raise EvaluationError(*evaluation.problems)
    path = evaluation.directory / OUTCOMES_FILE
    try:
        return pq.read_table(path, columns=list(names), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EvaluationError(f"{path}: cannot be read ({reason}); delete its folder to run it anew") from None


def _second_metric(evaluation: Evaluation) -> str:
    """Return the name of the column with the second verdict; results from before the judge have another one."""
    import pyarrow.parquet as pq

    if evaluation.problems:
        raise EvaluationError(*evaluation.problems)
    names = pq.read_schema(evaluation.directory / OUTCOMES_FILE).names
    return "correct_judged" if "correct_judged" in names else "correct_repaired"


def _mean(values: Sequence[float]) -> Score:
    """Return a mean that is no share: its interval is not cut at 0 and 1, and is the mean alone for a single problem."""
    found: Array = np.asarray(values)
    value = float(found.mean())
    error = float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
    reach = 0.0 if np.isnan(error) else Z * error
    return Score(value=value, error=error, low=value - reach, high=value + reach, problems=len(found))


def _by_problem(table: pa.Table, evaluation: Evaluation) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the problems in order and the rows of their samples, (P, n)."""
    order: dict[str, list[tuple[int, int]]] = {}
    index = {name: table[name].to_pylist() for name in _PLACE}
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
