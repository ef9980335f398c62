"""PKPO: each completion gets its part in the best reward of k, over all sets of k of the group that hold it."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.diversity.measures.pass_at_k import K
from dra_toolkit.groups import Array


def best_of(totals: Array, k: int) -> Array:
    """Return the mean of the largest of k totals over all sets of k, (...,), of totals (..., n); 0 for k = 0.

    Sorted upwards, the j-th of n (from 0) is the largest of C(j, k - 1) of the C(n, k) sets.
    """
    n = totals.shape[-1]
    if k < 1 or n < 1:
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
    order = np.argsort(totals, axis=-1, kind="stable")
    ordered = np.take_along_axis(totals, order, axis=-1)
    found = np.empty(totals.shape)
    for i in range(n):
        rest = np.delete(ordered, i, axis=-1)
        own = ordered[..., i : i + 1]
        best = best_of_with(np.maximum(rest, own), own[..., 0], k - 1)
        if baseline:
            best = best - (best_of(rest, k - 1) if k > 1 else rest.mean(axis=-1) if n > 1 else own[..., 0])
        found[..., i] = k / n * best
    out = np.empty(totals.shape)
    np.put_along_axis(out, order, found, axis=-1)
    return out


def best_of_with(at_least: Array, own: Array, k: int) -> Array:
    """Return the mean of the largest over sets of k of the others, each no smaller than one's own, and of oneself."""
    return best_of(at_least, k) if k else own


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
