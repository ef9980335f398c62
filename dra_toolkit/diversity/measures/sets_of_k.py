"""Objectives over sets of k completions: what a set is worth as a whole, credited to those that make it so."""

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Option, objective
from dra_toolkit.diversity.measures.shared import counts, replacement, right, scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array

K = Option(name="k", default=4, low=1, high=64, meaning="Completions of which one must be right; at most the group's.")


def none_right(n: Array, c: Array, k: Array | float) -> Array:
    """Return C(n - c, k) / C(n, k), (...,): the probability that k of n completions, of which c are right, are all wrong.

    Source: the unbiased estimate of pass@k, 1 minus it, of arXiv 2107.03374. 0 where fewer than k are wrong.
    """
    n, c = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64))
    found = np.ones(n.shape)
    for drawn in range(int(np.max(k, initial=0))):
        found = np.where(
            drawn < np.asarray(k), found * np.maximum(n - c - drawn, 0.0) / np.maximum(n - drawn, 1.0), found
        )
    return found


def pass_at_k(r: Array, n: Array, k: Array | float) -> Array:
    """Return the analytical advantage of pass@k training (arXiv 2508.10751), (..., G), for r of 0 and 1.

    With R = 1 - C(n-c, k) / C(n, k) and s = sqrt(R (1 - R)): a right completion has (1 - R) / s, a wrong one
    (1 - R - C(n-c-1, k-1) / C(n-1, k-1)) / s; 0 where s is 0. k is at most n. k = 1 is GRPO with the population's
    standard deviation.
    """
    c = r.sum(axis=-1, keepdims=True)
    k = np.minimum(k, np.maximum(n, 1.0))
    miss = none_right(n, c, k)
    s = np.sqrt(miss * (1.0 - miss))
    return np.divide(np.where(r > 0, miss, miss - none_right(n - 1, c, k - 1)), s, out=np.zeros_like(r), where=s > 0)


def _pass_at_k(signals: Signals, *, k: float) -> Effect:
    n, _ = counts(signals)
    return replacement(np.where(scorable(signals), pass_at_k(right(signals), n, int(k)), 0.0))


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


def _pkpo(signals: Signals, *, k: float, baseline: float) -> Effect:
    """Replace each advantage; a completion without a total counts as one of the smallest of its group and gets none."""
    known = ~np.isnan(signals.totals)
    lowest = np.where(known, signals.totals, np.inf).min(axis=-1, keepdims=True)
    totals = np.where(known, signals.totals, np.where(np.isfinite(lowest), lowest, 0.0))
    return replacement(np.where(known, pkpo(totals, int(k), baseline=baseline > 0), 0.0))


def poly_epo(values: Array, distance: Array, k: int) -> Array:
    """Return the mean of f over the sets of k that hold i less its mean over all sets of k, (..., n).

    The polychromic objective of arXiv 2509.25424: f(set) = mean value times diversity. The diversity is the mean distance,
    (..., n, n), of the set's pairs, so that no set must be listed: f is a sum over pairs and triples, each of which lies in
    a known share of the sets. k is at most n; with fewer than 2 there is no pair, and all is 0.
    """
    n = values.shape[-1]
    k = min(int(k), n)
    if k < 2:
        return np.zeros(values.shape)
    r, D = np.asarray(values, dtype=np.float64), np.asarray(distance, dtype=np.float64)
    D = np.where(np.eye(n, dtype=bool), 0.0, D)
    d, Dr = D.sum(axis=-1), (D @ r[..., None])[..., 0]
    total, R = d.sum(axis=-1, keepdims=True) / 2, r.sum(axis=-1, keepdims=True)
    pairs_with = r * d + Dr  # of D_ij (r_i + r_j)
    pairs = pairs_with.sum(axis=-1, keepdims=True) / 2
    triples_with = r * (total - d) + R * d - pairs_with  # of D_bc r_a with a, b, c different, i one of them
    triples = R * total - pairs
    one, two, three = (_share(n - 1, k - 1, size) for size in (1, 2, 3))
    holding = one * pairs_with + two * (pairs - pairs_with + triples_with) + three * (triples - triples_with)
    all_sets = _share(n, k, 2) * pairs + _share(n, k, 3) * triples
    return (holding - all_sets) / (k * k * (k - 1) / 2)


def _share(n: int, k: int, size: int) -> float:
    """Return the share of the sets of k of n that hold `size` given ones."""
    share = 1.0
    for taken in range(size):
        share *= (k - taken) / (n - taken) if n > taken else 0.0
    return share


def _poly_epo(signals: Signals, *, k: float) -> Effect:
    """Replace each advantage; a completion without a total counts with 0 and as like all others, and gets none."""
    known = ~np.isnan(signals.totals)
    both = known[..., :, None] & known[..., None, :]
    distance = np.where(both, 1.0 - signals.similarity, 0.0)
    return replacement(np.where(known, poly_epo(np.where(known, signals.totals, 0.0), distance, int(k)), 0.0))


MEASURES = {
    "pass_at_k": objective(
        compute=_pass_at_k,
        rule="right: (1 - R) / s, wrong: (1 - R - C(n-c-1, k-1) / C(n-1, k-1)) / s; R = pass@k of the group, "
        "s^2 = R (1 - R)",
        source="arXiv 2508.10751",
        reads_right=True,
        options=(K,),
    ),
    "pkpo": objective(
        compute=_pkpo,
        rule="k/n times, over the sets of k with i, the mean of (largest R of the set - largest R of its others)",
        source="arXiv 2505.15201",
        options=(
            K,
            Option(name="baseline", default=1, low=0, high=1, meaning="1 takes the others' best away, 0 does not."),
        ),
    ),
    "poly_epo": objective(
        compute=_poly_epo,
        needs=("similarity",),
        rule="mean over sets of k with i of f - mean f, f(set) = mean R times mean of 1 - S_ij",
        source="arXiv 2509.25424",
        options=(Option(name="k", default=4, low=2, high=64, meaning="Completions in a set; at most the group's."),),
    ),
}
