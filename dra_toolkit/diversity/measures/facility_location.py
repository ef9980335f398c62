"""Facility location: the nearest other completion instead of the sum over all."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Signals, redundancy_effect
from dra_toolkit.groups import Array


def facility_location(similarity: Array) -> Array:
    """Return the similarity of each completion to the one most like it, max over j != i of S_ij, (..., G).

    The facility-location mutual information of {i} and the rest where completion i is what is to be represented (Iyer et
    al., arXiv 2006.15412). With the whole group to be represented it would be this maximum plus the graph cut. 0 for a
    group of one. One copy and seven copies cost the same: a weight of 1/2.
    """
    G = similarity.shape[-1]
    if G < 2:
        return np.zeros(similarity.shape[:-1])
    others = np.where(np.eye(G, dtype=bool), -np.inf, similarity)
    return others.max(axis=-1).astype(np.float64)


def compute(signals: Signals) -> Effect:
    """Divide by 1 + the similarity to the nearest other completion."""
    return redundancy_effect(facility_location(signals.similarity))


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="R_i / (1 + max over j != i of S_ij)",
    source="arXiv 2006.15412",
    in_slices=True,
)
