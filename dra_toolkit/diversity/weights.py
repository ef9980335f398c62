"""From a measure's effect to the factor and the bonus that are used: what the settings make of them."""

import numpy as np

from dra_toolkit.groups import Array

WEIGHT_SCALES = ("raw", "mean_one")
NEGATIVE_TOTALS = ("divide", "multiply", "shift", "correct_only")
ZERO_SPREAD_GROUPS = ("adjust", "skip", "cap")
SMALLEST = 0.01
"""What is divided by is no smaller: beyond it a weight would be a size that no reward was meant to have."""


def redundancy_weights(redundancy: Array) -> Array:
    """Return 1 / (1 + redundancy), (..., G): 1 for a completion unlike all others, about 1/G among G copies.

    arXiv 2505.09655. Redundancies at or below -1 are possible only without a floor on the similarity. Below it weights are
    negative, as the formula has it; near it, where the formula has no bound, they are no larger than 100.
    """
    divisor = 1.0 + redundancy
    return 1.0 / np.where(np.abs(divisor) < SMALLEST, np.copysign(SMALLEST, divisor), divisor)


def mean_one(weights: Array) -> Array:
    """Return weights (..., G) scaled to a mean of 1 in each group: who gains and who loses stays, the size does not.

    Weights that are all 0 become 1. Of negative ones, which only similarities without a floor give, the size counts: a
    scale has no sign.
    """
    mean = np.abs(weights).mean(axis=-1, keepdims=True)
    return np.divide(weights, mean, out=np.ones_like(weights), where=mean != 0)


def inverted_for_negatives(weights: Array, totals: Array) -> Array:
    """Return the weights (..., G), inverted where the total reward is negative, so that repeating a mistake costs more.

    Dividing a negative reward, as the formula does when it is read literally, would reward repeating it. The inverse is at
    most 100, or G where groups are larger, which is that of G copies.
    """
    return np.where(totals < 0, 1.0 / np.maximum(weights, min(SMALLEST, 1.0 / weights.shape[-1])), weights)


def combined(values: Array, weights: Array, bonus: Array | None, *, shift: bool = False) -> Array:
    """Return weights * values + bonus, (..., G).

    shift   measure values from the smallest of the group, where that is negative: it is what the weights act on, and what
            is added again. No value is negative then, and with a weight of 1 nothing changes.
    """
    base = 0.0
    if shift:
        base = np.minimum(np.where(np.isnan(values), np.inf, values).min(axis=-1, keepdims=True), 0.0)
    scaled = weights * (values - base) + base
    return scaled if bonus is None else scaled + bonus
