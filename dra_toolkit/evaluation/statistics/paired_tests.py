"""Tests and intervals for differences by problem, values (P,): what chance alone would do to them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.evaluation.statistics.intervals import student, wilson
from dra_toolkit.groups import Array

RESAMPLES = 10_000
_AT_ONCE = 1_000
POWER = 0.8


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    low: float
    high: float
    detectable: float
    """The true difference that would be found, at p < 0.05, in 80 % of such comparisons; NaN where no problem differs."""


def t_interval(gaps: Sequence[Array]) -> Interval:
    """Return the interval of the mean over benchmarks of the mean difference by problem, (P,) for each benchmark.

    Student's t with Welch and Satterthwaite's degrees of freedom: a percentile bootstrap of 30 problems covers 92 to 94 %
    only. Where no problem tells the two apart that would claim certainty, so Wilson's interval for none of P widens it.
    """
    mean = float(np.mean([each.mean() for each in gaps]))
    parts = [(float(each.var(ddof=1)) / len(each), len(each)) for each in gaps if len(each) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        spare = float(np.mean([wilson(0, len(each))[1] for each in gaps]))
        return Interval(max(-1.0, mean - spare), min(1.0, mean + spare), float("nan"))
    freedom = variance**2 / sum(part**2 / (P - 1) for part, P in parts)
    error, reach = math.sqrt(variance) / len(gaps), student(freedom)
    low, high = max(-1.0, mean - reach * error), min(1.0, mean + reach * error)
    return Interval(low, high, (reach + student(freedom, POWER)) * error)


def sign_flip(values: Array, rng: np.random.Generator, resamples: int = RESAMPLES) -> float:
    """Return the two-sided p-value of a mean of differences, if neither side were better.

    Then every difference might as well have the other sign. Where there are no more than `resamples` choices of signs for
    the differences other than 0 all are tried, else so many random ones. Of -1, 0 and 1 it is McNemar's exact test.
    """
    from scipy.stats import binomtest, permutation_test

    values = values[values != 0]
    if len(values) < 2:
        return 1.0
    if len(set(np.abs(values))) == 1:
        return float(binomtest(int((values > 0).sum()), len(values)).pvalue)
    asked: Any = {"permutation_type": "samples", "n_resamples": resamples, "batch": _AT_ONCE, "rng": rng}
    return float(permutation_test((values,), np.sum, vectorized=True, **asked).pvalue)


def normal_test(difference: float, error: float) -> float:
    """Return the two-sided p-value of a difference with a known standard error; NaN where that is not above 0."""
    return math.erfc(abs(difference) / error / math.sqrt(2)) if error > 0 else float("nan")


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's method, so that among all of them one in 20 families errs, not one in 20 tests.

    Unknown ones, NaN, stay so and count among the tests.
    """
    adjusted = [float("nan")] * len(ps)
    reached = 0.0
    for rank, i in enumerate(sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i])):
        reached = max(reached, min(1.0, ps[i] * (len(ps) - rank)))
        adjusted[i] = reached
    return adjusted
