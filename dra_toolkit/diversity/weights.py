"""From redundancy to the factor on a completion's reward."""

from __future__ import annotations

from dra_toolkit.groups import Array


def redundancy_weights(redundancy: Array) -> Array:
    """Return 1 / (1 + redundancy), (..., G): 1 for a completion unlike all others, about 1/G among G copies.

    arXiv 2505.09655. Redundancies at or below -1, possible only without a floor on the similarity, give infinite or
    negative weights, as the formula has it.
    """
    return 1.0 / (1.0 + redundancy)
