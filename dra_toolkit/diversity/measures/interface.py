"""What a diversity measure is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Array

Need = Literal["similarity", "labels", "log_probs", "embeddings", "lengths"]
"""A field of `Signals` that is not always there."""
ActsOn = Literal["total", "advantage"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Signals:
    """What is known of one group, or of many of the same G stacked on leading axes (...)."""

    similarity: Array
    """(..., G, G) cosine similarity, centred and floored as the settings say; diagonal 1."""
    kernel: Array
    """(..., G, G) the same without the floor, which would cost the matrix its positive semi-definiteness."""
    totals: Array
    """(..., G) total rewards; NaN where every reward function abstained."""
    correct: NDArray[np.bool_]
    """(..., G) which completions count as correct."""
    labels: NDArray[np.integer[Any]] | None = None
    """(..., G) which cluster of its group a completion belongs to."""
    log_probs: Array | None = None
    """(..., G) mean log-probability of a completion's tokens when it was sampled; NaN without tokens."""
    embeddings: Array | None = None
    """(..., G, d) unit vectors; not there when recorded groups are replayed without them."""
    lengths: Array | None = None
    """(..., G) tokens of each completion."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Effect:
    """What a measure does: value -> weights * value + bonus, where the value is a total reward or an advantage."""

    weights: Array
    """(..., G) factor; 1 changes nothing."""
    bonus: Array | None = None
    """(..., G) what is added after the factor; None is nothing."""
    redundancy: Array | None = None
    """(..., G) how much of a completion the rest already says; None where the measure has no such notion."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One number that a measure takes."""

    name: str
    default: float
    low: float
    """Smallest value accepted."""
    high: float
    """Largest value accepted."""
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A diversity measure: what it computes, what it must be given, and where its effect goes."""

    compute: Callable[..., Effect]
    """From `Signals`, and the options by keyword, to an `Effect`."""
    needs: tuple[Need, ...]
    """What it reads besides totals and correctness."""
    rule: str
    """The formula in one line, for the documentation."""
    source: str
    """Where the formula comes from."""
    acts_on: ActsOn = "total"
    """Whether the effect is on total rewards, before the advantage, or on the plain advantages."""
    options: tuple[Option, ...] = field(default=())
    in_slices: bool = False
    """Whether it means anything in a rank slice that mixes the completions of several prompts."""


def redundancy_effect(redundancy: Array) -> Effect:
    """Return the effect of dividing by 1 + redundancy, as in arXiv 2505.09655."""
    return Effect(weights=redundancy_weights(redundancy), redundancy=redundancy)


def cluster_sizes(labels: NDArray[np.integer[Any]]) -> Array:
    """Return how many completions of its group share each completion's label, itself included, (..., G)."""
    same = labels[..., :, None] == labels[..., None, :]
    return same.sum(axis=-1, dtype=np.float64)


def inverse_diagonal(kernel: Array, ridge: float) -> Array:
    """Return the diagonal of (K + ridge * identity)^-1, (..., G), for positive semi-definite kernels (..., G, G).

    By Cramer's rule its entry i is det(K without i) / det(K), ridge included: what one completion adds to the volume.
    Between 1 / (G + ridge) and 1 / ridge; where rounding of the kernel leads out of that, its negative eigenvalues count
    as 0.
    """
    K = np.array(kernel, dtype=np.float64)
    G = K.shape[-1]
    K[..., np.arange(G), np.arange(G)] += ridge
    try:
        found = np.array(np.diagonal(np.linalg.inv(K), axis1=-2, axis2=-1))
    except np.linalg.LinAlgError:
        return _clipped_inverse_diagonal(kernel, ridge)
    broken = ~((found > 0.5 / (G + ridge)) & (found < 2.0 / ridge)).all(axis=-1)
    if broken.any():
        found[broken] = _clipped_inverse_diagonal(np.asarray(kernel)[broken], ridge)
    return found


def _clipped_inverse_diagonal(kernel: Array, ridge: float) -> Array:
    values, vectors = np.linalg.eigh(np.asarray(kernel, dtype=np.float64))
    return (np.square(vectors) / (np.maximum(values, 0.0) + ridge)[..., None, :]).sum(axis=-1)
