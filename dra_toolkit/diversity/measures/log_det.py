"""Log-determinant mutual information: graph cut's place in the formula, taken by the volume that the embeddings span."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import (
    Effect,
    Measure,
    Option,
    Signals,
    inverse_diagonal,
    redundancy_effect,
)
from dra_toolkit.groups import Array

RIDGE = 0.1


def log_det(kernel: Array, *, ridge: float = RIDGE) -> Array:
    """Return log det K_rest + log K_ii - log det K, (..., G), for K = kernel + ridge * identity.

    The log-determinant mutual information of {i} and the rest (Iyer et al., arXiv 2006.15412): that of a Gaussian process
    with the kernel as its covariance and noise of variance `ridge`. Two completions of similarity s have
    -log(1 - (s / (1 + ridge))^2). Negative similarities count as much as positive ones. G copies have
    log((1 + ridge) (G - 1 + ridge) / (ridge (G + ridge))), 2.27 for G = 8, so repeats cost less than with graph cut.
    """
    return np.log(np.maximum((1.0 + ridge) * inverse_diagonal(kernel, ridge), 1.0))


def compute(signals: Signals, *, ridge: float) -> Effect:
    """Divide by 1 + log-determinant mutual information."""
    return redundancy_effect(log_det(signals.kernel, ridge=ridge))


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="R_i / (1 + SMI_i), SMI_i = log det K_rest + log K_ii - log det K, K = S + ridge I",
    source="arXiv 2006.15412",
    options=(Option(name="ridge", default=RIDGE, low=1e-6, high=1e6, meaning="Added to the kernel's diagonal."),),
    in_slices=True,
)
