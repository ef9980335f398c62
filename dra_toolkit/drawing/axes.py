"""Scales of a drawing, the round values that stand at them, and an axis with its grid."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dra_toolkit.drawing.number_columns import ticked
from dra_toolkit.drawing.svg import line, text

GRID = 'stroke="#8884"'
"""What a grid line is drawn with where there is no style sheet."""


@dataclass(frozen=True)
class Scale:
    """A straight line from values to pixels; on a logarithmic one equal factors are equally far."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value, rounded to a tenth of a pixel."""
        low, high, at = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        share = (at - low) / (high - low) if high != low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def y_axis(scale: Scale, left: float, right: float, title: str, *, percent: bool = False) -> str:
    """Return grid lines with their values, zero drawn stronger, and as much of the title as has room on its side."""
    parts, values = [], ticks(scale.low, scale.high, 4)
    for value, said in zip(values, ticked([100 * value if percent else value for value in values]), strict=True):
        y = scale(value)
        parts.append(line(left, y, right, y, "zero" if value == 0 else "grid", GRID))
        parts.append(text(left - 5, y + 3.5, f"{said} %" if percent else said, anchor="end"))
    middle, most = (scale.start + scale.end) / 2, int(abs(scale.end - scale.start) / 5.5)
    title = title if len(title) <= most else f"{title[: most - 1]}…"
    parts.append(text(11, middle, title, "axis", rest=f'transform="rotate(-90 11 {middle:.1f})"'))
    return "".join(parts)


def ticks(low: float, high: float, count: int, *, whole: bool = False) -> list[float]:
    """Return round values within a range, about `count` of them; whole: only whole numbers."""
    span = high - low
    if not span > 0:
        return [low]
    rough = max(span / max(1, count), 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    step = next(s for s in steps if not whole or s == int(s))
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{i * step:.10g}") for i in places]


def around(values: Iterable[float | None], *, zero: bool = True, room: float = 0.08) -> tuple[float, float]:
    """Return a range that holds all known values, and zero if wanted, with some room beyond them."""
    found = [value for value in values if value is not None and math.isfinite(value)] + ([0.0] if zero else [])
    low, high = min(found, default=0.0), max(found, default=1.0)
    if low == high:
        low, high = (0.0, 1.0) if zero else (low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1))
    span = high - low
    return (low - span * room if low < 0 or not zero else low), (high + span * room if high > 0 or not zero else high)
