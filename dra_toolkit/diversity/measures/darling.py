"""DARLING: rewards multiplied by the share of other completions that are in another cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, cluster_sizes
from dra_toolkit.groups import Array


def darling(labels: NDArray[np.integer[Any]], *, floor: float) -> Array:
    """Return max(floor, (G - size of the completion's cluster) / (G - 1)), (..., G); 1 for a group of one.

    DARLING (arXiv 2509.02534). Where all completions share one cluster, each keeps the floor.
    """
    G = labels.shape[-1]
    if G < 2:
        return np.ones(labels.shape)
    return np.maximum(floor, (G - cluster_sizes(labels)) / (G - 1))


def compute(signals: Signals, *, floor: float) -> Effect:
    """Multiply the total by the share of the others in another cluster."""
    assert signals.labels is not None
    return Effect(weights=darling(signals.labels, floor=floor), redundancy=cluster_sizes(signals.labels) - 1)


MEASURE = Measure(
    compute=compute,
    needs=("labels",),
    rule="R_i max(floor, (G - c_i) / (G - 1)), c_i size of the cluster",
    source="arXiv 2509.02534",
    options=(Option(name="floor", default=0.1, low=0, high=1, meaning="Smallest factor."),),
)
