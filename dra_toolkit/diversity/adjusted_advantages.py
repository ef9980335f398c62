"""The advantages that an adjustment leads to."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.advantages import Estimator, Scaling, estimator_of, group_advantages
from dra_toolkit.diversity.group_statistics import ZERO_SPREAD, zero_spread
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.diversity.weights import combined
from dra_toolkit.groups import Adjustment, Array


def adjusted_advantages(
    adjustment: Adjustment, scale_rewards: Scaling | Estimator = "group", settings: DiversitySettings | None = None
) -> Array:
    """Return the advantages, (P, G), that an adjustment of P groups with these settings leads to.

    Those of the adjusted totals; or, for a measure that acts on advantages, the plain ones times the weights plus the
    bonus. Capped, a group whose totals are all R is divided by no less than |R| / sqrt(G): the
    standard deviation that it would have if one of its completions had got nothing. A difference of rewards then weighs
    there what it weighs in such a group. Where R is 0 there is nothing to compare with, and no advantage. A completion that
    is alone with its total has no advantage, whatever is added to it.
    """
    settings = settings or DiversitySettings()
    least = _least_std(adjustment.totals) if settings.caps else None
    if settings.acts_on == "total":
        return group_advantages(adjustment.adjusted, scale_rewards, least_std=least, raw=adjustment.totals)
    plain = group_advantages(adjustment.totals, scale_rewards)
    changed = combined(plain, adjustment.weights, adjustment.bonus, shift=settings.shifts)
    known = ~np.isnan(adjustment.totals)
    return np.where(known & (known.sum(axis=-1, keepdims=True) > 1), changed, 0.0)


def replaces_advantages(settings: DiversitySettings, scale_rewards: Scaling | Estimator) -> bool:
    """Return whether the advantages are others than those that follow from the adjusted totals alone."""
    made = estimator_of(scale_rewards)
    divides = made.scope == "group" and made.spread != "none"
    return (settings.caps and divides) or settings.acts_on == "advantage"


def _least_std(totals: Array) -> Array:
    known = ~np.isnan(totals)
    count = known.sum(axis=-1, keepdims=True)
    size = np.where(known, np.abs(totals), 0.0).max(axis=-1, keepdims=True)
    reference = np.where(size > ZERO_SPREAD, size / np.sqrt(np.maximum(count, 1)), np.inf)
    return np.where(zero_spread(totals)[..., None], reference, 0.0)
