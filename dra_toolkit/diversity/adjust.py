"""The diversity-aware reward adjustment: similarity -> redundancy -> weight -> adjusted total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dra_toolkit.diversity.redundancy import MEASURES
from dra_toolkit.diversity.similarity import cosine_similarity
from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Adjustment, Array


@dataclass(frozen=True, kw_only=True)
class DiversitySettings:
    """How rewards are adjusted; the defaults are the paper's formula over the whole group, similarity clamped at 0."""

    measure: str = "graph_cut"
    """A key of `MEASURES`, or `none`: graph-cut redundancy is still measured, but every weight is 1."""
    similarity_floor: float | None = 0.0
    """Similarities below it count as it; None leaves negative similarities as they are, as the released code did."""

    def __post_init__(self) -> None:
        if self.measure not in {*MEASURES, "none"}:
            raise ValueError(f"measure: found {self.measure!r}, expected one of {', '.join([*MEASURES, 'none'])}")


def adjust(*, embeddings: Array, totals: Array, settings: DiversitySettings | None = None) -> Adjustment:
    """Adjust the total rewards (..., G) of groups whose completions have the embeddings (..., G, d).

    Source: arXiv 2505.09655. A completion without a total (NaN) still counts as one that others may repeat.

    >>> alike = adjust(embeddings=np.ones((2, 3)), totals=np.array([1.0, 1.0]))
    >>> alike.weights.tolist(), alike.adjusted.tolist()
    ([0.5, 0.5], [0.5, 0.5])
    """
    return adjust_similarity(similarity=cosine_similarity(embeddings), totals=totals, settings=settings)


def adjust_similarity(*, similarity: Array, totals: Array, settings: DiversitySettings | None = None) -> Adjustment:
    """Adjust total rewards (..., G) given the similarity (..., G, G), as a reader of recorded groups has it."""
    settings = settings or DiversitySettings()
    floor = settings.similarity_floor
    floored = similarity if floor is None else np.maximum(similarity, floor)
    measure = MEASURES["graph_cut" if settings.measure == "none" else settings.measure]
    redundancy = measure(floored)
    weights = np.ones_like(redundancy) if settings.measure == "none" else redundancy_weights(redundancy)
    return Adjustment(
        similarity=similarity, redundancy=redundancy, weights=weights, totals=totals, adjusted=weights * totals
    )
