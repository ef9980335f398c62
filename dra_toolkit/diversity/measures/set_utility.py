"""Leave-one-out set utility: what the group would lose in diversity without a completion, added to its advantage."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, inverse_diagonal
from dra_toolkit.groups import Array


def set_utility(kernel: Array) -> Array:
    """Return D(group) - D(group without i), (..., G), for D(X) = log det(identity + S_X).

    The marginal contribution of SetPO (arXiv 2602.01062), with a kernelised set function of diminishing returns. Between
    log((G + 1) / G) for one of G copies and log 2 for a completion unlike all others.
    """
    return -np.log(inverse_diagonal(kernel, 1.0))


def compute(signals: Signals, *, scale: float) -> Effect:
    """Add the scaled contribution to the advantage; being positive, it lifts every completion, the novel ones most."""
    contribution = set_utility(signals.kernel)
    return Effect(weights=np.ones_like(contribution), bonus=scale * contribution)


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="A_i + scale (D(group) - D(group without i)), D(X) = log det(I + S_X)",
    source="arXiv 2602.01062",
    acts_by="bonus",
    acts_on="advantage",
    options=(Option(name="scale", default=0.1, low=0, high=1e6, meaning="Factor on what is added."),),
)
