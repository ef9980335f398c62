"""Graph cut: the measure of DRA-GRPO."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Signals, redundancy_effect
from dra_toolkit.groups import Array


def graph_cut(similarity: Array) -> Array:
    """Return the graph-cut mutual information of each completion with the others: sum over j != i of S_ij, (..., G).

    DRA-GRPO's measure, arXiv 2505.09655, equation for SMI. In the terms of submodular information measures
    (arXiv 2006.15412) it is the graph-cut mutual information of {i} and the rest, with 2 * lambda = 1.
    """
    diagonal = np.diagonal(similarity, axis1=-2, axis2=-1)
    return similarity.sum(axis=-1, dtype=np.float64) - diagonal


def compute(signals: Signals) -> Effect:
    """Divide by 1 + graph-cut redundancy: 1/G among G copies, 1 for a completion unlike all others."""
    return redundancy_effect(graph_cut(signals.similarity))


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="R_i / (1 + sum over j != i of S_ij)",
    source="arXiv 2505.09655",
    in_slices=True,
)
