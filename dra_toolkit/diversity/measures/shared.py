"""What measures read and answer alike: which completions count, which are right, a value in another's place."""

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Array


def replacement(values: Array) -> Effect:
    """Return the effect of values, (..., G), that take the place of what the measure acts on."""
    return Effect(weights=np.zeros_like(values), bonus=values)


def redundancy_effect(redundancy: Array) -> Effect:
    """Return the effect of dividing by 1 + redundancy, as in arXiv 2505.09655."""
    return Effect(weights=redundancy_weights(redundancy), redundancy=redundancy)


def scorable(signals: Signals) -> NDArray[np.bool_]:
    """Return which completions have a total, (..., G): the others neither count nor get an advantage."""
    known: NDArray[np.bool_] = ~np.isnan(signals.totals)
    return known


def right(signals: Signals) -> Array:
    """Return r, (..., G): 1 for a right completion, else 0; also without a total. What objectives for 0 and 1 read."""
    return (signals.correct & scorable(signals)).astype(np.float64)


def counts(signals: Signals) -> tuple[Array, Array]:
    """Return n, the completions of a group that have a total, and c, the right ones among them, (..., 1) each."""
    n = scorable(signals).sum(axis=-1, keepdims=True).astype(np.float64)
    return n, right(signals).sum(axis=-1, keepdims=True)
