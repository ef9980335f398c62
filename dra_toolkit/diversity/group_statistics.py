"""How diverse a group is, and how much its rewards differ."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.groups import Array

ZERO_SPREAD = 1e-8
"""A group whose rewards spread less than this gives no gradient; TRL's own tolerance."""


def mean_similarity(similarity: Array) -> Array:
    """Return the mean off-diagonal similarity, (...,), of similarities (..., G, G); NaN for a group of one."""
    G = similarity.shape[-1]
    if G < 2:
        return np.full(similarity.shape[:-2], np.nan)
    total = similarity.sum(axis=(-2, -1), dtype=np.float64)
    return (total - np.trace(similarity, axis1=-2, axis2=-1)) / (G * (G - 1))


def vendi_score(similarity: Array) -> Array:
    """Return the effective number of different completions, (...,), between 1 and G, of similarities (..., G, G).

    exp of the Shannon entropy of the eigenvalues of S / G (Friedman and Dieng, arXiv 2210.02410).
    """
    G = similarity.shape[-1]
    eigenvalues = np.linalg.eigvalsh(np.asarray(similarity, dtype=np.float64) / G)
    positive = np.where(eigenvalues > 0, eigenvalues, 1.0)  # 1 * log 1 = 0: rounding below zero carries no entropy
    return np.exp(-(positive * np.log(positive)).sum(axis=-1))


def distinct_ratio(completions: Sequence[str]) -> float:
    """Return the share of different texts among the completions of a group; 1 when no two are equal."""
    return len(set(completions)) / len(completions)


def reward_spread(totals: Array) -> Array:
    """Return the sample standard deviation (ddof = 1) of each group's totals, (...,); NaN with fewer than two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanstd(totals, axis=-1, ddof=1)


def zero_spread(totals: Array) -> NDArray[np.bool_]:
    """Return whether all totals of a group are equal, (...,) of bool: such a group gives plain GRPO no gradient."""
    return ~(reward_spread(totals) > ZERO_SPREAD)
