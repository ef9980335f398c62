"""Pass@k training: the advantage that groups of k completions would have, each group worth its best completion."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.diversity.measures.right import counts, right, scorable
from dra_toolkit.groups import Array

K = Option(name="k", default=4, low=1, high=64, meaning="Completions of which one must be right; at most the group's.")


def none_right(n: Array, c: Array, k: float) -> Array:
    """Return C(n - c, k) / C(n, k), (...,): the probability that k of n completions, of which c are right, are all wrong.

    Source: the unbiased estimate of pass@k, 1 minus it, of arXiv 2107.03374. 0 where fewer than k are wrong.
    """
    n, c = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64))
    found = np.ones(n.shape)
    for drawn in range(int(k)):
        found = found * np.maximum(n - c - drawn, 0.0) / np.maximum(n - drawn, 1.0)
    return found


def pass_at_k(r: Array, n: Array, k: float) -> Array:
    """Return the analytical advantage of pass@k training (arXiv 2508.10751), (..., G), for r of 0 and 1.

    With R = 1 - C(n-c, k) / C(n, k) and s = sqrt(R (1 - R)): a right completion has (1 - R) / s, a wrong one
    (1 - R - C(n-c-1, k-1) / C(n-1, k-1)) / s; 0 where s is 0. k is at most n. k = 1 is GRPO with the population's
    standard deviation.
    """
    c = r.sum(axis=-1, keepdims=True)
    k_of = np.minimum(k, np.maximum(n, 1.0))
    found = np.zeros_like(r)
    for each in np.unique(k_of):
        miss = none_right(n, c, each)
        s = np.sqrt(miss * (1.0 - miss))
        beside = none_right(n - 1, c, each - 1)
        advantage = np.divide(np.where(r > 0, miss, miss - beside), s, out=np.zeros_like(r), where=s > 0)
        found = np.where(k_of == each, advantage, found)
    return found


def compute(signals: Signals, *, k: float) -> Effect:
    """Replace each advantage."""
    n, _ = counts(signals)
    return replacement(np.where(scorable(signals), pass_at_k(right(signals), n, int(k)), 0.0))


MEASURE = Measure(
    compute=compute,
    needs=(),
    rule="right: (1 - R) / s, wrong: (1 - R - C(n-c-1, k-1) / C(n-1, k-1)) / s; R = pass@k of the group, s^2 = R (1 - R)",
    source="arXiv 2508.10751",
    acts_on="advantage",
    acts_by="replacement",
    reads_right=True,
    options=(K,),
)
