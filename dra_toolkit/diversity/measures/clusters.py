"""Measures that read clusters: how many completions of a group say what this one says."""

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option
from dra_toolkit.diversity.measures.shared import redundancy_effect
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array


def cluster_sizes(signals: Signals) -> Array:
    """Return how many completions of its group share each completion's label, itself included, (..., G)."""
    same = signals.labels[..., :, None] == signals.labels[..., None, :]
    return same.sum(axis=-1, dtype=np.float64)


def cluster_size(signals: Signals) -> Effect:
    """Divide by the size of the completion's cluster: graph cut where similarity is 1 inside clusters and 0 between.

    As in the advantage options of benchmax.
    """
    return redundancy_effect(cluster_sizes(signals) - 1)


def darling(signals: Signals, *, floor: float) -> Effect:
    """Multiply by max(floor, (G - size of the completion's cluster) / (G - 1)); by 1 in a group of one.

    DARLING (arXiv 2509.02534). Where all completions share one cluster, each keeps the floor.
    """
    sizes, G = cluster_sizes(signals), signals.labels.shape[-1]
    weights = np.ones(sizes.shape) if G < 2 else np.maximum(floor, (G - sizes) / (G - 1))
    return Effect(weights=weights, redundancy=sizes - 1)


def uniqueness(signals: Signals, *, power: float) -> Effect:
    """Multiply by 1 / f^power, f the share of the group in the completion's cluster: by 1 to G^power.

    Uniqueness-aware RL (arXiv 2601.08763), whose clusters are an LLM's judgement of the strategy. Of advantages of either
    sign: a rare mistake is pushed down more, too.
    """
    sizes = cluster_sizes(signals)
    return Effect(weights=np.power(signals.labels.shape[-1] / sizes, power), redundancy=sizes - 1)


MEASURES = {
    "cluster_size": Measure(
        compute=cluster_size, needs=("labels",), rule="R_i / c_i, c_i size of the cluster", source="benchmax"
    ),
    "darling": Measure(
        compute=darling,
        needs=("labels",),
        rule="R_i max(floor, (G - c_i) / (G - 1)), c_i size of the cluster",
        source="arXiv 2509.02534",
        options=(Option(name="floor", default=0.1, low=0, high=1, meaning="Smallest factor."),),
    ),
    "uniqueness": Measure(
        compute=uniqueness,
        needs=("labels",),
        rule="A_i / f_i^power, f_i share of the group in the cluster",
        source="arXiv 2601.08763",
        acts_on="advantage",
        options=(Option(name="power", default=1.0, low=0, high=10, meaning="Power of the cluster's share."),),
    ),
}
