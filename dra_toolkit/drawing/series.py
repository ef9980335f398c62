"""Values over the steps, made fewer or smoother for drawing; what is not known (NaN) stays unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.groups import Array

Steps = NDArray[Any]


def thinned(steps: Steps, lines: Sequence[Array], most: int) -> tuple[Steps, list[Array]]:
    """Return at most about `most` points: of more, the mean of neighbours at the first step of each stretch."""
    if len(steps) <= most:
        return steps, list(lines)
    size = -(-len(steps) // most)
    starts = np.arange(0, len(steps), size)
    return steps[starts], [_mean_from(values, starts) for values in lines]


def smoothed(values: Array, width: int) -> Array:
    """Return the mean over the last `width` steps, of those that are known; fewer at the beginning."""
    known = ~np.isnan(values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, values, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], known]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    found = counts[ends] - counts[starts]
    return np.where(found > 0, (sums[ends] - sums[starts]) / np.maximum(found, 1), np.nan)


def _mean_from(values: Array, starts: Steps) -> Array:
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
