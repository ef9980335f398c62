"""Cluster size: the completions of a cluster share one reward."""

from __future__ import annotations

from dra_toolkit.diversity.measures.interface import Effect, Measure, Signals, cluster_sizes, redundancy_effect


def compute(signals: Signals) -> Effect:
    """Divide by the size of the completion's cluster: graph cut where similarity is 1 inside clusters and 0 between.

    As in the advantage options of benchmax.
    """
    assert signals.labels is not None
    return redundancy_effect(cluster_sizes(signals.labels) - 1)


MEASURE = Measure(compute=compute, needs=("labels",), rule="R_i / c_i, c_i size of the cluster", source="benchmax")
