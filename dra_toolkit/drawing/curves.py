"""Curves over the steps as SVG: the dashboard's, those of HTML reports and those of notebooks are these.

curves([Line(name="reward", steps=steps, values=values, colour="#0072b2")], y_title="mean total reward")
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.drawing.axes import GRID, Scale, around, ticks, y_axis
from dra_toolkit.drawing.numbers import short
from dra_toolkit.drawing.svg import escaped, line, text
from dra_toolkit.groups import Array

Steps = NDArray[Any]
SIZE = (380.0, 208.0)
LEFT, RIGHT, TOP, BOTTOM = 54.0, 8.0, 8.0, 34.0
MOST_POINTS = 480
MARKED = 40
"""Points below which each is marked."""
SMOOTHED_SHARE = 50
"""The mean is drawn over this part of a line's steps, unless the reader chooses otherwise."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a figure."""

    name: str
    steps: Steps
    """(S,), ascending."""
    values: Array
    """(S,); NaN leaves a gap."""
    colour: str
    """As CSS has it."""
    dash: str = ""
    """Lengths of strokes and gaps, as SVG has them."""
    low: Array | None = None
    """(S,), where an interval around the values begins."""
    high: Array | None = None
    of: str = ""
    """What the line belongs to, told to the page when a point is clicked."""


def curves(
    lines: Sequence[Line],
    *,
    y_title: str,
    x_title: str = "step",
    size: tuple[float, float] = SIZE,
    percent: bool = False,
    zero: bool = False,
    smooth: int = 0,
    is_log: bool = False,
) -> str:
    """Return lines over the steps; nothing where none of their values is known.

    y_title: what is measured, with its unit. zero: whether the axis begins at 0. smooth: steps whose mean is drawn, the
    values themselves pale behind it; 0 for a part of the steps. is_log: whether the axis across is logarithmic.
    """
    drawn = [each for each in lines if np.isfinite(each.values).any()]
    if not drawn:
        return ""
    reach = [v for each in drawn for v in (each.values, each.low, each.high) if v is not None]
    low, high = around(np.concatenate(reach).tolist(), zero=zero, room=0.06)
    if percent and max(float(np.nanmax(each.values)) for each in drawn) <= 1:
        low, high = max(low, min(0.0, float(min(map(np.nanmin, reach))))), min(high, 1.03)
    first, last = min(float(each.steps[0]) for each in drawn), max(float(each.steps[-1]) for each in drawn)
    x = Scale(first, last, LEFT, size[0] - RIGHT - 4, is_log)
    y = Scale(low, high, size[1] - BOTTOM, TOP)
    parts = [y_axis(y, LEFT, size[0] - RIGHT, y_title, percent=percent), _across(x, size, x_title)]
    shown, data = zip(*(_line(each, x, y, smooth) for each in drawn), strict=True)
    parts += [*shown, line(0, TOP, 0, size[1] - BOTTOM, "cursor", 'visibility="hidden" stroke="currentColor"')]
    shape = {"x": [x.low, x.high, x.start, x.end], "log": is_log, "percent": percent, "title": x_title, "lines": data}
    said = escaped(f"{y_title}: {'; '.join(map(_summary, drawn))}")
    head = f'<svg class="curves" viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" aria-label="{said}"'
    return f'{head} data-curves="{escaped(json.dumps(shape, separators=(",", ":")))}">{"".join(parts)}</svg>'


def sparkline(values: Array, colour: str = "currentColor") -> str:
    """Return a curve without axes, from the lowest to the highest value; nothing where fewer than two are known."""
    at, (shown,) = thinned(np.arange(len(values)), [values], 120)
    known = shown[~np.isnan(shown)]
    if len(known) < 2:
        return ""
    x, y = Scale(0, max(1, len(values) - 1), 3, 117), Scale(float(known.min()), float(known.max()), 23, 3)
    label = f"from {short(float(known[0]))} to {short(float(known[-1]))}"
    box = f'viewBox="0 0 120 26" width="120" height="26" role="img" aria-label="{label}"'
    return f'<svg class="spark" {box}><title>{label}</title>{_stroke(path(at, shown, x, y), colour, 1.6)}</svg>'


def path(steps: Steps, values: Array, x: Scale, y: Scale) -> str:
    """Return the commands of a path: a gap where a value is not known, a dot where its neighbours are not."""
    known = np.concatenate([[False], ~np.isnan(values), [False]]).tolist()
    points = zip(steps.tolist(), values.tolist(), known, known[1:], known[2:], strict=False)
    return "".join(
        f"{'L' if before else 'M'}{x(step):g} {y(value):g}{'' if before or after else 'h.1'}"
        for step, value, before, here, after in points
        if here
    )


def _line(each: Line, x: Scale, y: Scale, smooth: int) -> tuple[str, dict[str, object]]:
    """Return a line, and its points as the page tells them."""
    width = smooth or len(each.steps) // SMOOTHED_SHARE
    is_smooth = width > 1 and len(each.steps) >= MARKED
    values = smoothed(each.values, width) if is_smooth else each.values
    at, (raw, shown) = thinned(each.steps, [each.values, values], MOST_POINTS)
    parts = [] if each.low is None or each.high is None else [_interval(each, each.low, each.high, x, y)]
    if is_smooth:
        parts.append(_stroke(path(at, raw, x, y), each.colour, 1, 'stroke-opacity=".28"'))
    parts.append(_stroke(path(at, shown, x, y), each.colour, 2, each.dash and f'stroke-dasharray="{each.dash}"'))
    if len(at) < MARKED:
        parts += [
            f'<circle cx="{x(step):g}" cy="{y(value):g}" r="2.6" style="fill:{each.colour}"/>'
            for step, value in zip(at.tolist(), shown.tolist(), strict=True)
            if not np.isnan(value)
        ]
    known = [None if np.isnan(value) else float(f"{value:.4g}") for value in shown.tolist()]
    told = {"name": each.name, "colour": each.colour, "of": each.of, "x": at.tolist(), "y": known}
    return "".join(parts), told


def _interval(each: Line, low: Array, high: Array, x: Scale, y: Scale) -> str:
    """Return a bar at each point; of many they are pale and touch, which makes a band."""
    at, (low, high) = thinned(each.steps, [low, high], MOST_POINTS)
    places = zip(at.tolist(), low.tolist(), high.tolist(), strict=True)
    bars = "".join(f"M{x(step):g} {y(a):g}V{y(b):g}" for step, a, b in places if a == a and b == b)
    width, rest = (1.2, "") if len(at) < MARKED else (abs(x.end - x.start) / len(at), 'stroke-opacity=".16"')
    return _stroke(bars, each.colour, width, rest)


def _across(x: Scale, size: tuple[float, float], title: str) -> str:
    powers = [2.0**power for power in range(20) if x.low <= 2**power <= x.high]
    values = powers if x.is_log else ticks(x.low, x.high, 5, whole=True)
    bottom = size[1] - BOTTOM
    parts = [line(LEFT, bottom, size[0] - RIGHT, bottom, "grid", GRID)]
    parts += [text(x(value), bottom + 14, f"{value:,.0f}") for value in values if value == int(value)]
    return "".join([*parts, text((LEFT + size[0]) / 2, size[1] - 5, title, "axis")])


def _stroke(commands: str, colour: str, width: float, rest: str = "") -> str:
    shape = f'fill="none" stroke-linejoin="round" stroke-linecap="round" stroke-width="{width:g}"'
    return f'<path d="{commands}" {shape} style="stroke:{colour}" {rest}/>'


def _summary(each: Line) -> str:
    known = each.values[~np.isnan(each.values)]
    first, last, low, high = (short(float(v)) for v in (known[0], known[-1], known.min(), known.max()))
    return f"{each.name} from {first} to {last}, lowest {low}, highest {high}"


def thinned(steps: Steps, lines: Sequence[Array], most: int) -> tuple[Steps, list[Array]]:
    """Return at most about `most` points: of more, the mean of neighbours at the first step of each stretch."""
    if len(steps) <= most:
        return steps, list(lines)
    size = -(-len(steps) // most)
    starts = np.arange(0, len(steps), size)
    return steps[starts], [_means(values, starts, np.minimum(starts + size, len(steps))) for values in lines]


def smoothed(values: Array, width: int) -> Array:
    """Return the mean over the last `width` steps, of those that are known; fewer at the beginning."""
    ends = np.arange(1, len(values) + 1)
    return _means(values, np.maximum(0, ends - width), ends)


def _means(values: Array, starts: Steps, ends: Steps) -> Array:
    """Return the mean of what is known from each start up to, not including, its end."""
    known = ~np.isnan(values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, values, 0.0)]))
    counts = np.cumsum(np.concatenate([[0], known]))
    found = counts[ends] - counts[starts]
    return np.where(found > 0, (sums[ends] - sums[starts]) / np.maximum(found, 1), np.nan)
