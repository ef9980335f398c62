"""How much of each completion the rest of its group already says.

A measure maps a similarity (..., G, G) with unit diagonal to redundancies (..., G).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dra_toolkit.groups import Array


def graph_cut(similarity: Array) -> Array:
    """Return the graph-cut mutual information of each completion with the others: sum over j != i of S_ij, (..., G).

    DRA-GRPO's measure, arXiv 2505.09655, equation for SMI. In the terms of submodular information measures
    (arXiv 2006.15412) it is the graph-cut mutual information of {i} and the rest, with 2 * lambda = 1.
    """
    diagonal = np.diagonal(similarity, axis1=-2, axis2=-1)
    return similarity.sum(axis=-1, dtype=np.float64) - diagonal


MEASURES: dict[str, Callable[[Array], Array]] = {"graph_cut": graph_cut}
"""Redundancy measures by their name in a recipe."""
