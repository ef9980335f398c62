"""What objectives for rewards of 0 and 1 read of a group: which completions are right, how many, and how rare each is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Signals
from dra_toolkit.groups import Array


def scorable(signals: Signals) -> NDArray[np.bool_]:
    """Return which completions have a total, (..., G): the others neither count nor get an advantage."""
    known: NDArray[np.bool_] = ~np.isnan(signals.totals)
    return known


def right(signals: Signals) -> Array:
    """Return r, (..., G): 1 for a right completion, else 0; also without a total. All that these objectives read."""
    return (signals.correct & scorable(signals)).astype(np.float64)


def counts(signals: Signals) -> tuple[Array, Array]:
    """Return n, the completions of a group that have a total, and c, the right ones among them, (..., 1) each."""
    n = scorable(signals).sum(axis=-1, keepdims=True).astype(np.float64)
    return n, right(signals).sum(axis=-1, keepdims=True)


def shared_among_right(rarity: Array, r: Array) -> Array:
    """Return the rarity, (..., G), scaled to a mean of 1 among the right completions; 0 for the others.

    Who gains and who loses among the right ones follows from it, and what they get together does not.
    """
    kept = np.where(r > 0, rarity, 0.0)
    mean = kept.sum(axis=-1, keepdims=True) / np.maximum(r.sum(axis=-1, keepdims=True), 1.0)
    return np.divide(kept, mean, out=r.copy(), where=mean > 0)
