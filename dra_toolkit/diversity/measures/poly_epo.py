"""Poly-EPO: a completion is worth what sets of k that hold it reach in reward times diversity, against all sets."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.groups import Array


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


def compute(signals: Signals, *, k: float) -> Effect:
    """Replace each advantage; a completion without a total counts with 0 and as like all others, and gets none."""
    known = ~np.isnan(signals.totals)
    both = known[..., :, None] & known[..., None, :]
    distance = np.where(both, 1.0 - signals.similarity, 0.0)
    return replacement(np.where(known, poly_epo(np.where(known, signals.totals, 0.0), distance, int(k)), 0.0))


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="mean over sets of k with i of f - mean f, f(set) = mean R times mean of 1 - S_ij",
    source="arXiv 2509.25424",
    acts_on="advantage",
    acts_by="replacement",
    options=(Option(name="k", default=4, low=2, high=64, meaning="Completions in a set; at most the group's."),),
)
