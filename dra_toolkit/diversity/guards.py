"""What the settings make of a measure's weights: scale, sign, groups without spread, schedule."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.group_statistics import zero_spread
from dra_toolkit.diversity.measures import Effect, Signals
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.diversity.weights import inverted_for_negatives, mean_one, one_without_spread
from dra_toolkit.groups import Array


def guarded(
    effect: Effect, signals: Signals, settings: DiversitySettings, step: int | Array | None
) -> tuple[Array, Array | None]:
    """Return weights and bonus, (..., G), as the settings want them, in this order: scale, sign, spread, schedule."""
    weights, bonus, totals = effect.weights, effect.bonus, signals.totals
    if settings.has_factor and settings.weights == "mean_one":
        weights = mean_one(weights)
    if settings.has_factor and settings.negative_totals == "multiply":
        weights = inverted_for_negatives(weights, _signed(totals, settings))
    if settings.negative_totals == "correct_only":
        weights = np.where(signals.correct, weights, 1.0)
        bonus = None if bonus is None else np.where(signals.correct, bonus, 0.0)
    if settings.zero_spread_groups == "skip":
        weights = one_without_spread(weights, totals)
        bonus = None if bonus is None else np.where(zero_spread(totals)[..., None], 0.0, bonus)
    strength = settings.strength(step)
    if (strength != 1.0).any():
        weights = 1.0 + strength[..., None] * (weights - 1.0)
        bonus = None if bonus is None else strength[..., None] * bonus
    return weights, bonus


def _signed(totals: Array, settings: DiversitySettings) -> Array:
    """Return what has the sign of that which the weights act on: the totals, or how far they are above the mean."""
    if settings.acts_on == "total":
        return totals
    known = ~np.isnan(totals)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return totals - np.where(known, totals, 0.0).sum(axis=-1, keepdims=True) / count
