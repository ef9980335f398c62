"""DQO: the log-determinant of the group's kernel as a reward, credited to the completions that make it large."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, inverse_diagonal
from dra_toolkit.groups import Array

RIDGE = 0.1


def dqo(kernel: Array, *, ridge: float = RIDGE) -> Array:
    """Return log det K - log det K_rest, (..., G), for K = kernel + ridge * identity.

    DQO (arXiv 2509.04784) adds alpha * log det K to the rewards. That is one number for a whole group, which the group's
    mean would take away again; what is added here is each completion's part in it, the log-determinant less the one that
    the others have without it. From log(1 + ridge) for a completion unlike all others to about log(ridge) for copies.
    """
    return -np.log(inverse_diagonal(kernel, ridge))


def compute(signals: Signals, *, scale: float, ridge: float) -> Effect:
    """Add the scaled part to the total reward."""
    part = dqo(signals.kernel, ridge=ridge)
    return Effect(weights=np.ones_like(part), bonus=scale * part)


MEASURE = Measure(
    compute=compute,
    needs=("similarity",),
    rule="R_i + scale (log det K - log det K_rest), K = S + ridge I",
    source="arXiv 2509.04784",
    acts_by="bonus",
    options=(
        Option(name="scale", default=0.1, low=0, high=1e6, meaning="Factor on what is added."),
        Option(name="ridge", default=RIDGE, low=1e-6, high=1e6, meaning="Added to the kernel's diagonal."),
    ),
)
