"""A mean over problems with its standard error and its 95 % interval: Wilson's, Student's."""

import math
from dataclasses import dataclass
from functools import lru_cache

Z = 1.959964
"""Standard errors to either side of a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean over problems."""

    value: float
    """From 0 to 1."""
    error: float
    """Standard error by problem; NaN for a single problem."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    problems: int

    @property
    def spread(self) -> float:
        """The standard error; where all problems have the same value that of the interval, which is then not 0."""
        return self.error or (self.high - self.low) / (2 * Z)


def interval(value: float, error: float, problems: int) -> Score:
    """Return a share with its 95 % interval: Wilson's, for as many coins as have that error.

    With one sample of each problem these are the problems themselves, less one; where all problems have the same value, such
    as 0 or 1, an error of 0 would claim certainty, so each problem is a coin. The error is itself estimated from few
    problems, so Student's t takes the place of 1.96. problems: 0 where nobody knows how many there were.
    """
    if error == 0 and problems:
        low, high = wilson(value * problems, problems)
    elif error > 0 and 0 < value < 1:
        coins = value * (1 - value) / max(error, 1e-12) ** 2
        low, high = wilson(value * coins, coins, student(problems - 1) if problems > 1 else Z)
    elif error > 0:
        low, high = max(0.0, value - Z * error), min(1.0, value + Z * error)
    else:
        error, low, high = float("nan"), 0.0, 1.0
    return Score(value=value, error=error, low=low, high=high, problems=problems)


@lru_cache(maxsize=256)
def student(freedom: float, level: float = 0.975) -> float:
    """Return the quantile of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, level))


def wilson(right: float, problems: float, z: float = Z) -> tuple[float, float]:
    """Return Wilson's interval for `right` of `problems`, of 95 % unless z says otherwise."""
    share, z2 = right / problems, z * z
    centre = share + z2 / (2 * problems)
    half = z * math.sqrt(max(0.0, share * (1 - share) / problems + z2 / (4 * problems**2)))
    scale = 1 + z2 / problems
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
