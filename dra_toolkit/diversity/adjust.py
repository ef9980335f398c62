"""The diversity-aware reward adjustment: similarity -> redundancy -> weight -> adjusted total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dra_toolkit.diversity.redundancy import MEASURES
from dra_toolkit.diversity.similarity import cosine_similarity
from dra_toolkit.diversity.weights import (
    NEGATIVE_TOTALS,
    WEIGHT_SCALES,
    ZERO_SPREAD_GROUPS,
    inverted_for_negatives,
    mean_one,
    one_without_spread,
    redundancy_weights,
)
from dra_toolkit.groups import Adjustment, Array

SCOPES = ("group", "rank_slice")


@dataclass(frozen=True, kw_only=True)
class DiversitySettings:
    """How rewards are adjusted; the defaults are the paper's formula over the whole group, similarity clamped at 0."""

    measure: str = "graph_cut"
    """A key of `MEASURES`, or `none`: graph-cut redundancy is still measured, but every weight is 1."""
    similarity_floor: float | None = 0.0
    """Similarities below it count as it; None leaves negative similarities as they are, as the released code did."""
    scope: str = "group"
    """What a completion is compared with: its `group`, or a `rank_slice` of consecutive rows as in the released code."""
    slice_rows: int | None = None
    """Rows in a rank slice, the training batch of one device; only with that scope."""
    weights: str = "raw"
    """`raw` as in the paper, or `mean_one`: scaled to a mean of 1 in each group."""
    negative_totals: str = "divide"
    """`divide` negative totals as in the paper, or `multiply` them."""
    zero_spread_groups: str = "adjust"
    """`adjust` groups whose totals are all equal as in the paper, or `skip` them."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("measure", (*MEASURES, "none")),
            ("scope", SCOPES),
            ("weights", WEIGHT_SCALES),
            ("negative_totals", NEGATIVE_TOTALS),
            ("zero_spread_groups", ZERO_SPREAD_GROUPS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: found {getattr(self, name)!r}, expected one of {', '.join(choices)}")
        if (self.scope == "rank_slice") != (self.slice_rows is not None):
            raise ValueError("slice_rows: expected with scope rank_slice, and only there")


def adjust(*, embeddings: Array, totals: Array, settings: DiversitySettings | None = None) -> Adjustment:
    """Adjust the total rewards (..., G) of groups whose completions have the embeddings (..., G, d).

    Source: arXiv 2505.09655. A completion without a total (NaN) still counts as one that others may repeat.

    >>> alike = adjust(embeddings=np.ones((2, 3)), totals=np.array([1.0, 1.0]))
    >>> alike.weights.tolist(), alike.adjusted.tolist()
    ([0.5, 0.5], [0.5, 0.5])
    """
    settings = settings or DiversitySettings()
    similarity = cosine_similarity(embeddings)
    if settings.slice_rows is None:
        return adjust_similarity(similarity=similarity, totals=totals, settings=settings)
    redundancy = _slice_redundancy(embeddings, settings.slice_rows, settings)
    return _weighted(similarity, redundancy, totals, settings)


def adjust_similarity(*, similarity: Array, totals: Array, settings: DiversitySettings | None = None) -> Adjustment:
    """Adjust total rewards (..., G) given the similarity (..., G, G), as a reader of recorded groups has it.

    Raises ValueError for the scope `rank_slice`, which compares completions across groups and so needs embeddings.
    """
    settings = settings or DiversitySettings()
    if settings.scope != "group":
        raise ValueError(
            f"scope {settings.scope} compares completions across groups: adjust() with embeddings does that"
        )
    return _weighted(similarity, _redundancy(similarity, settings), totals, settings)


def _redundancy(similarity: Array, settings: DiversitySettings) -> Array:
    floor = settings.similarity_floor
    measure = MEASURES["graph_cut" if settings.measure == "none" else settings.measure]
    return measure(similarity if floor is None else np.maximum(similarity, floor))


def _slice_redundancy(embeddings: Array, rows: int, settings: DiversitySettings) -> Array:
    """Return redundancies (P, G) within consecutive slices of `rows` completions, wherever the groups begin and end."""
    *groups, G, d = embeddings.shape
    slices = np.asarray(embeddings).reshape(-1, rows, d)
    return _redundancy(cosine_similarity(slices), settings).reshape(*groups, G)


def _weighted(similarity: Array, redundancy: Array, totals: Array, settings: DiversitySettings) -> Adjustment:
    if settings.measure == "none":
        weights: Array = np.ones_like(redundancy)
    else:
        weights = redundancy_weights(redundancy)
        if settings.weights == "mean_one":
            weights = mean_one(weights)
        if settings.negative_totals == "multiply":
            weights = inverted_for_negatives(weights, totals)
        if settings.zero_spread_groups == "skip":
            weights = one_without_spread(weights, totals)
    return Adjustment(
        similarity=similarity, redundancy=redundancy, weights=weights, totals=totals, adjusted=weights * totals
    )
