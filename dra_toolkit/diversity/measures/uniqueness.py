"""Uniqueness-aware advantages: multiplied by how rare the completion's cluster is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, cluster_sizes
from dra_toolkit.groups import Array


def uniqueness(labels: NDArray[np.integer[Any]], *, power: float) -> Array:
    """Return 1 / f^power, (..., G), f the share of the group in the completion's cluster: from 1 to G^power.

    Uniqueness-aware RL (arXiv 2601.08763), whose clusters are an LLM's judgement of the strategy.
    """
    return np.power(labels.shape[-1] / cluster_sizes(labels), power)


def compute(signals: Signals, *, power: float) -> Effect:
    """Multiply the advantage, of either sign: a rare mistake is pushed down more, too."""
    assert signals.labels is not None
    return Effect(weights=uniqueness(signals.labels, power=power), redundancy=cluster_sizes(signals.labels) - 1)


MEASURE = Measure(
    compute=compute,
    needs=("labels",),
    rule="A_i / f_i^power, f_i share of the group in the cluster",
    source="arXiv 2601.08763",
    acts_on="advantage",
    options=(Option(name="power", default=1.0, low=0, high=10, meaning="Power of the cluster's share."),),
)
