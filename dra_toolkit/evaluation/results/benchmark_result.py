"""Everything that a report shows of one model on one benchmark, from our own outcomes or another tool's results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.stored import Evaluation, read_outcomes
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.evaluation.statistics.scores import Bools, majority, pass_at_k, score
from dra_toolkit.judge.joining import joined

if TYPE_CHECKING:
    import pyarrow as pa

_PLACE = ("problem", "problem_index", "sample")
_FACTS = ("correct", "answer", "tokens", "finish_reason")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is known of the answers themselves, of all samples."""

    cut: float
    """Share that reached its limit of tokens before its end."""
    tokens: float
    """Mean length."""
    long: float
    """Length that 95 % do not exceed."""
    unread: float
    """Share without a result that the metric could read."""
    unscored: float
    """Share that could not be scored within its bounds of time and memory, and counts as wrong."""


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
    answers: Answers | None = None
    """None where only the scores are known."""
    directory: Path | None = None
    """Where its samples lie."""

    @property
    def ks(self) -> list[int]:
        """The k of pass@k that are known, ascending."""
        return sorted(int(name.removeprefix("pass@")) for name in self.scores if name.startswith("pass@"))


def cell_of(evaluation: Evaluation) -> BenchmarkResult:
    """Return the scores of a finished evaluation; raises EvaluationError if it is damaged or uneven."""
    second = "correct_repaired" if "correct_repaired" in evaluation.columns else "correct_judged"
    table = read_outcomes(evaluation, (*_PLACE, *_FACTS, second))
    problems, rows = by_problem(table, evaluation)
    correct = np.asarray(table["correct"].to_pylist(), dtype=bool)[rows]
    parsed = table["answer"].to_pylist()
    answers = [joined(parsed[i] for i in row) for row in rows]
    scores = {"avg": score(correct.mean(axis=1)), "maj": score(majority(answers, correct))}
    scores |= {f"pass@{k}": score(pass_at_k(correct, k)) for k in range(1, correct.shape[1] + 1)}
    verdicts = table[second].to_pylist()
    if all(value is not None for value in verdicts):
        scores[second.removeprefix("correct_")] = score(np.asarray(verdicts, dtype=bool)[rows].mean(axis=1))
    tokens = np.asarray(table["tokens"].to_pylist())
    seen = Answers(
        cut=float(np.mean([reason == "length" for reason in table["finish_reason"].to_pylist()])),
        tokens=float(tokens.mean()),
        long=float(np.quantile(tokens, 0.95)),
        unread=float(np.mean([answer is None for answer in parsed])),
        unscored=int(evaluation.facts.get("unscored") or 0) / len(table),
    )
    return BenchmarkResult(
        **{name: getattr(evaluation, name) for name in ("label", "step", "benchmark", "settings")},
        experiment=evaluation.run or "",
        n=correct.shape[1],
        scores=scores,
        problems=problems,
        correct=correct,
        distinct_answers=float(np.mean([len(set(row) - {None}) for row in answers])),
        hash_examples=evaluation.facts.get("hash_examples"),
        note=evaluation.facts.get("comparable_note"),
        answers=seen,
        directory=evaluation.directory,
    )


def by_problem(table: pa.Table, evaluation: Evaluation) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the problems in order and the rows of their samples, (P, n)."""
    order: dict[str, list[int]] = {}
    problem, place, sample = (table[name].to_pylist() for name in _PLACE)
    for row in sorted(range(len(table)), key=lambda row: (place[row], sample[row])):
        order.setdefault(problem[row], []).append(row)
    counts = {len(samples) for samples in order.values()}
    if not order:
        raise EvaluationError(f"{evaluation.directory}: holds no answer")
    if len(counts) != 1:
        uneven = f"problems have {min(counts)} to {max(counts)} samples, expected the same number of each"
        raise EvaluationError(f"{evaluation.directory}: {uneven}")
    return tuple(order), np.array(list(order.values()))
