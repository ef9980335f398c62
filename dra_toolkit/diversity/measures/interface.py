"""What a diversity measure is given, and what it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.similarity import cosine_similarity
from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Array

UNKNOWN: Any = None

Need = str
"""A field of `Signals` that is not always there: one of `NEEDS`."""
ActsOn = Literal["total", "advantage"]
ActsBy = Literal["factor", "bonus", "replacement"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Signals:
    """What is known of one group, or of many of the same G stacked on leading axes (...): all that a measure may read.

    Of what is left out, the similarity follows from the embeddings, or is NaN; correct are positive totals; all else is
    None. Raises ValueError for embeddings that are not finite.
    """

    totals: Array
    """(..., G) total rewards; NaN where every reward function abstained."""
    similarity: Array = UNKNOWN
    """(..., G, G) cosine similarity, diagonal 1: as it was measured, NaN where it was not; for a measure centred and
    floored as the settings say."""
    kernel: Array = UNKNOWN
    """(..., G, G) the same without the floor, which would cost the matrix its positive semi-definiteness."""
    correct: NDArray[np.bool_] = UNKNOWN
    """(..., G) which completions count as correct."""
    labels: NDArray[np.integer[Any]] | None = field(
        default=None,
        metadata={
            "remedy": "they are recorded by runs with a measure that reads them, and labels: similarity needs none"
        },
    )
    """(..., G) which cluster of its group a completion belongs to."""
    log_probs: Array | None = field(
        default=None, metadata={"remedy": "they are recorded by runs with a measure that reads them"}
    )
    """(..., G) mean log-probability of a completion's tokens when it was sampled; NaN without tokens."""
    embeddings: Array | None = field(
        default=None, metadata={"remedy": "they are recorded with record_embeddings: true"}
    )
    """(..., G, d) unit vectors; not there when recorded groups are replayed without them."""
    lengths: Array | None = field(default=None, metadata={"remedy": "give them by keyword"})
    """(..., G) tokens of each completion."""
    history: Array | None = field(
        default=None,
        metadata={"remedy": "dra train keeps it, and a replay of a whole run reads it from the earlier groups"},
    )
    """(..., G, 2) discounted numbers of right and of wrong completions of the prompt in earlier groups (`PromptHistory`)."""

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.similarity is None:
            G = self.totals.shape[-1]
            unknown = np.full((*self.totals.shape, G), np.nan)
            put("similarity", unknown if self.embeddings is None else cosine_similarity(self.embeddings))
        if self.kernel is None:
            put("kernel", self.similarity)
        put("correct", self.totals > 0 if self.correct is None else np.asarray(self.correct, dtype=bool))


_REMEDIES = {each.name: each.metadata["remedy"] for each in fields(Signals) if "remedy" in each.metadata}
NEEDS: tuple[Need, ...] = ("similarity", *_REMEDIES)


def missing(signals: Signals, needs: Iterable[Need]) -> tuple[list[Need], str]:
    """Return which needs are not there, and how to have the first of them."""
    absent = [need for need in needs if getattr(signals, need) is None]
    return absent, _REMEDIES[absent[0]] if absent else ""


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
    acts_by: ActsBy = "factor"
    """Whether it multiplies what it acts on, adds to it, or takes its place (`replacement`): settings of the factor then
    do nothing."""
    options: tuple[Option, ...] = field(default=())
    reads_right: bool = False
    """Whether all that it reads of the rewards is which completions are right."""
    in_slices: bool = False
    """Whether it means anything in a rank slice that mixes the completions of several prompts."""


def replacement(values: Array) -> Effect:
    """Return the effect of values, (..., G), that take the place of what the measure acts on."""
    return Effect(weights=np.zeros_like(values), bonus=values)


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
