"""From the K reward functions to one total reward per completion."""

from __future__ import annotations

import numpy as np

from dra_toolkit.groups import Array


def total_rewards(rewards: Array, reward_weights: Array) -> Array:
    """Return the weighted sum over reward functions, (...,), of raw rewards (..., K) and weights (K,).

    A function that abstained (NaN) adds nothing; where all abstained the total is NaN. As in TRL's GRPOTrainer.
    """
    totals = np.nansum(rewards * reward_weights, axis=-1)
    return np.where(np.isnan(rewards).all(axis=-1), np.nan, totals)
