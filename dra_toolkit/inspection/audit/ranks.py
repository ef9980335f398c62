"""Statistics of ranks, exact also with ties, in the time that sorting takes."""

from __future__ import annotations

import numpy as np

from dra_toolkit.groups import Array

DECIMALS = 6
"""Values that agree so far are ties: embeddings are float32, and equal texts must not be ranked by rounding."""


def mean_ranks(values: Array) -> Array:
    """Return the ranks from 1 of (n,) values; ties share the mean of theirs.

    >>> mean_ranks(np.array([3.0, 1.0, 1.0])).tolist()
    [3.0, 1.5, 1.5]
    """
    _, inverse, counts = np.unique(np.round(values, DECIMALS), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def wins(left: Array, right: Array) -> float:
    """Return in how many pairs (left, right) the first is larger; ties count half.

    Mann and Whitney's U from the sum of ranks: U = R - n (n + 1) / 2 for the n values of `left`.
    """
    ranks = mean_ranks(np.concatenate((left, right)))[: len(left)]
    return float(ranks.sum() - len(left) * (len(left) + 1) / 2)


def spearman(left: Array, right: Array) -> float:
    """Return Spearman's correlation: that of the mean ranks. NaN where one side is all ties."""
    a, b = mean_ranks(left), mean_ranks(right)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
