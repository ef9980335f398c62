"""PKPO: each completion gets its part in the best reward of k, over all sets of k of the group that hold it."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.diversity.measures.pass_at_k import K
from dra_toolkit.groups import Array


def best_of(totals: Array, k: int) -> Array:
    """Return the mean of the largest of k totals over all sets of k, (...,), of totals (..., n); 0 of none.

    Sorted upwards, the j-th of n (from 0) is the largest of C(j, k - 1) of the C(n, k) sets.
    """
    n = totals.shape[-1]
    if n < 1:
        return np.zeros(totals.shape[:-1])
    share = np.zeros(n)
    share[-1] = k / n
    for j in range(n - 1, 0, -1):  # C(j - 1, k - 1) = C(j, k - 1) (j - k + 1) / j
        share[j - 1] = share[j] * max(j - k + 1, 0) / j
    found: Array = np.sort(totals, axis=-1) @ share
    return found


def pkpo(totals: Array, k: int, *, baseline: bool = False) -> Array:
    """Return k / n times the mean of the largest total over the sets of k that hold completion i, (..., n).

    Pass@k policy optimization (arXiv 2505.15201), max@k for real rewards: the sum of these times the score functions
    estimates the gradient of the expected largest total of k without bias. With totals of 0 and 1, c of them 1: k / n for a
    right completion, and k / n (1 - C(n-1-c, k-1) / C(n-1, k-1)) for a wrong one.

    baseline    less the same of the k - 1 others alone, which leaves the estimate unbiased: what i adds to the best of its
                set. For k = 1, less the mean of the others.
    """
    n = totals.shape[-1]
    k = min(k, n)
    found = np.empty(totals.shape)
    for i in range(n):
        rest, own = np.delete(totals, i, axis=-1), totals[..., i]
        best = best_of(np.maximum(rest, own[..., None]), k - 1) if k > 1 else own
        found[..., i] = k / n * (best - best_of(rest, max(k - 1, 1)) if baseline else best)
    return found


def compute(signals: Signals, *, k: float, baseline: float) -> Effect:
    """Replace each advantage; a completion without a total counts as one of the smallest of its group and gets none."""
    known = ~np.isnan(signals.totals)
    lowest = np.where(known, signals.totals, np.inf).min(axis=-1, keepdims=True)
    totals = np.where(known, signals.totals, np.where(np.isfinite(lowest), lowest, 0.0))
    return replacement(np.where(known, pkpo(totals, int(k), baseline=baseline > 0), 0.0))


MEASURE = Measure(
    compute=compute,
    needs=(),
    rule="k/n times, over the sets of k with i, the mean of (largest R of the set - largest R of its others)",
    source="arXiv 2505.15201",
    acts_on="advantage",
    acts_by="replacement",
    options=(
        K,
        Option(name="baseline", default=1, low=0, high=1, meaning="1 takes the others' best away, 0 does not."),
    ),
)
