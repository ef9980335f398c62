"""Is one model better than another? Compared on the same problems, because these differ far more than models do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dra_toolkit.evaluation.cells import Cell
from dra_toolkit.evaluation.outcomes import EvaluationError
from dra_toolkit.groups import Array

RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Right minus left, on the problems that both answered."""

    benchmark: str
    """One benchmark, or `average` over several."""
    left: float
    right: float
    difference: float
    low: float
    """Lower end of the 95 % interval by bootstrap over problems."""
    high: float
    problems: int
    mcnemar: float | None
    """Exact two-sided p-value of McNemar's test; only with one sample of each problem."""
    only_left: int | None
    """Problems that only the left one solved; with McNemar's test."""
    only_right: int | None

    @property
    def verdict(self) -> str:
        """The finding in words."""
        points = f"{100 * abs(self.difference):.1f} points"
        if self.problems < 2:
            return "one problem cannot tell them apart"
        if self.low <= 0 <= self.high:
            width = 100 * (self.high - self.low) / 2
            return f"no difference shown: {points} apart, within ± {width:.1f} that chance explains"
        better = "right" if self.difference > 0 else "left"
        agrees = self.mcnemar is None or self.mcnemar < 0.05
        doubt = "" if agrees else f"; McNemar's test does not agree (p = {self.mcnemar:.2f})"
        return f"the {better} one is better by {points} (95 %: {100 * self.low:+.1f} to {100 * self.high:+.1f}){doubt}"


def compare(left: Sequence[Cell], right: Sequence[Cell], *, seed: int = 0) -> list[Paired]:
    """Compare two models on each benchmark that both were evaluated on, and on their average if there are several.

    Raises EvaluationError if they share no benchmark whose problems are known, or were asked other questions there.
    """
    rng = np.random.default_rng(seed)
    found, differences = [], []
    others = {cell.benchmark: cell for cell in right}
    for cell in left:
        other = others.get(cell.benchmark)
        if other is None or cell.correct is None or other.correct is None:
            continue
        pair, resampled = _paired(cell, other, rng)
        found.append(pair)
        differences.append(resampled)
    if not found:
        raise EvaluationError(
            "compare: the two share no benchmark with answers to each problem; evaluate both with `dra eval --benchmark`"
        )
    return [*found, _average(found, differences)] if len(found) > 1 else found


def _paired(left: Cell, right: Cell, rng: np.random.Generator) -> tuple[Paired, Array]:
    assert left.correct is not None and right.correct is not None  # noqa: PT018
    if left.hash_examples != right.hash_examples and left.hash_examples and right.hash_examples:
        raise EvaluationError(
            f"{left.benchmark}: {left.label} and {right.label} were asked with different prompts "
            f"({left.hash_examples}, {right.hash_examples}), so they cannot be paired"
        )
    places = {problem: i for i, problem in enumerate(right.problems)}
    shared = [(i, places[problem]) for i, problem in enumerate(left.problems) if problem in places]
    if not shared:
        raise EvaluationError(f"{left.benchmark}: {left.label} and {right.label} have no problem in common")
    a, b = (np.array(rows) for rows in zip(*shared, strict=True))
    ours, theirs = left.correct[a], right.correct[b]
    gaps = theirs.mean(axis=1) - ours.mean(axis=1)
    resampled = resampled_means(gaps, rng)
    low, high = np.quantile(resampled, [0.025, 0.975])
    single = ours.shape[1] == theirs.shape[1] == 1
    only_left = int((ours[:, 0] & ~theirs[:, 0]).sum()) if single else None
    only_right = int((~ours[:, 0] & theirs[:, 0]).sum()) if single else None
    pair = Paired(
        benchmark=left.benchmark,
        left=float(ours.mean()),
        right=float(theirs.mean()),
        difference=float(gaps.mean()),
        low=float(low),
        high=float(high),
        problems=len(gaps),
        mcnemar=mcnemar(only_left, only_right) if only_left is not None and only_right is not None else None,
        only_left=only_left,
        only_right=only_right,
    )
    return pair, resampled


def resampled_means(values: Array, rng: np.random.Generator, resamples: int = RESAMPLES) -> Array:
    """Return the means, (resamples,), of values (P,) drawn anew with replacement: the bootstrap over problems."""
    P = len(values)
    return np.concatenate(
        [values[rng.integers(0, P, size=(1_000, P))].mean(axis=1) for _ in range(max(1, resamples // 1_000))]
    )


def mcnemar(only_left: int, only_right: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the problems that only one of two solved."""
    from scipy.stats import binomtest

    return float(binomtest(only_left, only_left + only_right).pvalue) if only_left + only_right else 1.0


def _average(found: Sequence[Paired], differences: Sequence[Array]) -> Paired:
    resampled = np.mean(differences, axis=0)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Paired(
        benchmark="average",
        left=float(np.mean([pair.left for pair in found])),
        right=float(np.mean([pair.right for pair in found])),
        difference=float(np.mean([pair.difference for pair in found])),
        low=float(low),
        high=float(high),
        problems=sum(pair.problems for pair in found),
        mcnemar=None,
        only_left=None,
        only_right=None,
    )
