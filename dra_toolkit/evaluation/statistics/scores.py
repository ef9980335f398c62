"""Scores of sampled answers, with the error that comes of having few problems.

P problems, each answered n times; `correct` is (P, n) of bool. Problems are what varies between one benchmark and another of
its kind, so every error is one by problem: the samples of one problem are not independent of each other.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.statistics.intervals import Score, interval
from dra_toolkit.groups import Array

Bools = NDArray[np.bool_]


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


def average(scores: Sequence[Score]) -> Score:
    """Return the unweighted mean of several benchmarks' scores, with its own error: sqrt(sum of squares) / how many.

    Benchmarks are taken as independent of each other. One whose error is 0 takes part with that of its Wilson interval.
    """
    count = len(scores)
    value = float(np.mean([each.value for each in scores]))
    error = float(np.sqrt(np.sum([each.spread**2 for each in scores])) / count)
    return interval(value, error, sum(each.problems for each in scores))
