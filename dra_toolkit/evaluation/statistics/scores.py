"""Scores of sampled answers, with the error that comes of having few problems.

P problems, each answered n times; `correct` is (P, n) of bool. Problems are what varies between one benchmark and another of
its kind, so every error is one by problem: the samples of one problem are not independent of each other.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.errors import EvaluationError
from dra_toolkit.groups import Array

Z = 1.959964
"""Standard errors to either side of a 95 % interval."""
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean over problems."""

    value: float
    """From 0 to 1."""
    error: float
    """Standard error by problem; NaN for a single problem."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    problems: int

    @property
    def spread(self) -> float:
        """The standard error; where all problems have the same value that of the interval, which is then not 0."""
        return self.error or (self.high - self.low) / (2 * Z)


def pass_at_k(correct: Bools, k: int) -> Array:
    """Return for each problem, (P,), the chance that one of k samples is right: 1 - C(n - c, k) / C(n, k).

    The unbiased estimate of arXiv 2107.03374, as a product so that no binomial overflows. Raises EvaluationError for more
    than the n samples that there are.
    """
    n = correct.shape[1]
    if not 1 <= k <= n:
        raise EvaluationError(
            f"pass@{k}: expected a k from 1 to {n}, the samples of each problem; sample more with --n"
        )
    wrong = n - correct.sum(axis=1)
    draws = np.arange(k)
    return 1.0 - np.prod(np.clip((wrong[:, None] - draws) / (n - draws), 0.0, None), axis=1)


def majority(answers: Sequence[Sequence[str | None]], correct: Bools) -> Array:
    """Return for each problem, (P,), whether the most frequent parsed answer is right: maj@n.

    Answers that could not be parsed do not vote; of problems where none could, the vote is wrong. Equally frequent answers
    share the vote: the mean of whether they are right.
    """
    found = np.zeros(len(correct))
    for p, row in enumerate(answers):
        votes = Counter(answer for answer in row if answer is not None)
        if not votes:
            continue
        most = max(votes.values())
        winners = {answer for answer, count in votes.items() if count == most}
        right = [np.mean([c for a, c in zip(row, correct[p], strict=True) if a == winner]) for winner in winners]
        found[p] = float(np.mean(right))
    return found


def score(values: Array) -> Score:
    """Return the mean of one value for each problem, (P,), with its standard error and 95 % interval.

    The error is the sample standard deviation over sqrt(P).
    """
    P = len(values)
    if P == 0:
        raise EvaluationError("no problem was answered, so there is nothing to average")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1) / np.sqrt(P)) if P > 1 else float("nan")
    return interval(mean, error, P)


def interval(value: float, error: float, problems: int) -> Score:
    """Return a share with its 95 % interval: Wilson's, for as many coins as have that error.

    With one sample of each problem these are the problems themselves, less one; where all problems have the same value, such
    as 0 or 1, an error of 0 would claim certainty, so each problem is a coin. The error is itself estimated from few
    problems, so Student's t takes the place of 1.96. problems: 0 where nobody knows how many there were.
    """
    if error == 0 and problems:
        low, high = wilson(value * problems, problems)
    elif error > 0 and 0 < value < 1:
        coins = value * (1 - value) / max(error, 1e-12) ** 2
        low, high = wilson(value * coins, coins, student(problems - 1) if problems > 1 else Z)
    elif error > 0:
        low, high = max(0.0, value - Z * error), min(1.0, value + Z * error)
    else:
        error, low, high = float("nan"), 0.0, 1.0
    return Score(value=value, error=error, low=low, high=high, problems=problems)


@lru_cache(maxsize=256)
def student(freedom: float, level: float = 0.975) -> float:
    """Return the quantile of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, level))


def wilson(right: float, problems: float, z: float = Z) -> tuple[float, float]:
    """Return Wilson's interval for `right` of `problems`, of 95 % unless z says otherwise."""
    share, z2 = right / problems, z * z
    centre = share + z2 / (2 * problems)
    half = z * math.sqrt(max(0.0, share * (1 - share) / problems + z2 / (4 * problems**2)))
    scale = 1 + z2 / problems
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def average(scores: Sequence[Score]) -> Score:
    """Return the unweighted mean of several benchmarks' scores, with its own error: sqrt(sum of squares) / how many.

    Benchmarks are taken as independent of each other. One whose error is 0 takes part with that of its Wilson interval.
    """
    count = len(scores)
    value = float(np.mean([each.value for each in scores]))
    error = float(np.sqrt(np.sum([each.spread**2 for each in scores])) / count)
    return interval(value, error, sum(each.problems for each in scores))
