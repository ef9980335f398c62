"""Group advantages as in GRPO and Dr. GRPO."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np

from dra_toolkit.groups import Array

Scaling = Literal["group", "batch", "none"]
SCALINGS: tuple[Scaling, ...] = get_args(Scaling)

STD_OFFSET = 1e-4
"""What TRL adds to the standard deviation before dividing."""


def group_advantages(totals: Array, scale_rewards: Scaling = "group", *, least_std: Array | None = None) -> Array:
    """Return the advantage of each completion, (P, G), from total rewards (P, G) of P groups.

    The group's mean is taken away; then `group` divides by the group's standard deviation (GRPO, arXiv 2402.03300),
    `batch` by that of all N totals (arXiv 2508.08221) and `none` by nothing (Dr. GRPO, arXiv 2503.20783). As in TRL:
    sample standard deviation (ddof = 1) plus 1e-4, and a completion without a total (NaN) neither counts nor gets an
    advantage (0). A group of one completion has advantage 0.

    least_std   (P, 1): what `group` divides by at least, for each group.
    """
    if scale_rewards not in SCALINGS:
        raise ValueError(f"scale_rewards: found {scale_rewards!r}, expected one of {', '.join(SCALINGS)}")
    totals = np.asarray(totals, dtype=np.float64)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # groups with no or one total: NaN, which becomes 0 below
        centred = totals - np.nanmean(totals, axis=-1, keepdims=True)
        if scale_rewards == "group":
            std = np.nanstd(totals, axis=-1, ddof=1, keepdims=True)
            centred = centred / ((std if least_std is None else np.maximum(std, least_std)) + STD_OFFSET)
        elif scale_rewards == "batch":
            centred = centred / (np.nanstd(totals, ddof=1) + STD_OFFSET)
    return np.nan_to_num(centred, nan=0.0)
