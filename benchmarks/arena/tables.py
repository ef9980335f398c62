"""What tables of the arena have in common: cells with spread, differences paired by seed, Holm's correction, pictures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from dra_toolkit.drawing.axes import ticks
from dra_toolkit.drawing.number_columns import ticked

MEASURES = ("pass@1", "pass@8", "ways")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333", "#999933")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and half width of the 95 % interval of a t distribution; NaN of one value."""
    if len(values) < 2:
        return values[0], math.nan
    from scipy.stats import t

    return statistics.mean(values), float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(
        len(values)
    )


def cell(values: Sequence[float], *, sign: bool = False) -> str:
    """Return a mean with its interval, or one value as it is."""
    mean, half = interval(values)
    text = format(mean, "+.3f" if sign else ".3f")
    return text if math.isnan(half) else f"{text} ± {half:.3f}"


def p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p of a t test of paired differences; NaN of fewer than two."""
    if len(differences) < 2:
        return math.nan
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0.0).pvalue)


def shown(p: float) -> str:
    """Return a p value in words; NaN stays what it is."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Return the p values corrected over all arms that have one, after Holm (1979)."""
    known = sorted((p, name) for name, p in ps.items() if not math.isnan(p))
    found, largest = dict.fromkeys(ps, math.nan), 0.0
    for place, (p, name) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - place)))
        found[name] = largest
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown, with an empty one after it."""
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return [*lines, ""]


Points = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name -> x and y of a line; a single point is a dot with its name."""


def draw(path: Path, panels: Sequence[tuple[str, str, Points]], *, width: int = 460, height: int = 320) -> None:
    """Write panels side by side, (title, what x is, lines) each, as one SVG."""
    points = [(name, len(x)) for _, _, lines in panels for name, (x, _) in lines.items()]
    names = list(dict.fromkeys(name for name, count in points if count > 1))
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    parts = []
    for place, (title, below, lines) in enumerate(panels):
        parts += _panel(title, below, lines, colour, place * width, width, height)
    top = height + 16
    for i, name in enumerate(names):
        x, y = 20 + (i % 4) * (len(panels) * width - 20) / 4, top + (i // 4) * 18
        parts.append(f'<rect x="{x:.0f}" y="{y - 9}" width="12" height="10" fill="{colour[name]}"/>')
        parts.append(f'<text x="{x + 16:.0f}" y="{y}">{escape(name)}</text>')
    size = f"0 0 {len(panels) * width} {top + 18 * math.ceil(len(names) / 4)}"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="#333"><rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n",
        encoding="utf-8",
    )


def _panel(
    title: str, below: str, lines: Points, colour: Mapping[str, str], left: float, width: int, height: int
) -> list[str]:
    xs = np.concatenate([np.asarray(x, dtype=float) for x, _ in lines.values()])
    ys = np.concatenate([np.asarray(y, dtype=float) for _, y in lines.values()])
    ends = [(v.min() - 0.04 * (np.ptp(v) or 1), v.max() + 0.04 * (np.ptp(v) or 1)) for v in (xs, ys)]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + 50 + (width - 70) * (x - ends[0][0]) / (ends[0][1] - ends[0][0]),
            height - 40 - (height - 70) * (y - ends[1][0]) / (ends[1][1] - ends[1][0]),
        )

    parts = [f'<text x="{left + 50}" y="18" font-weight="600">{escape(title)}</text>']
    parts.append(f'<text x="{left + width - 20}" y="{height - 8}" text-anchor="end">{escape(below)}</text>')
    up, across = (ticks(*end, 5) for end in reversed(ends))
    for tick, said in zip(up, ticked(up), strict=True):
        y = place(xs[0], tick)[1]
        parts.append(f'<line x1="{left + 50}" x2="{left + width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
        parts.append(f'<text x="{left + 44}" y="{y + 4:.1f}" text-anchor="end" fill="#777">{said}</text>')
    for tick, said in zip(across, ticked(across), strict=True):
        x = place(tick, ys[0])[0]
        parts.append(f'<text x="{x:.1f}" y="{height - 24}" text-anchor="middle" fill="#777">{said}</text>')
    dots: dict[str, tuple[float, float]] = {}
    for name, (x_of, y_of) in lines.items():
        points = [place(x, y) for x, y in zip(x_of, y_of, strict=True)]
        if len(points) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour[name]}" stroke-width="2"/>')
        else:
            dots[name] = points[0]
        fill = colour.get(name, "#333")
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}"/>' for x, y in points]
    return [*parts, *_names(dots, left + width - 160)]


def _names(dots: Mapping[str, tuple[float, float]], edge: float) -> list[str]:
    """Return the names of dots beside them, or below where another name is in the way; on the left beyond an edge."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for name, (x, y) in sorted(dots.items(), key=lambda item: item[1][1]):
        wide, turned = 4.8 * len(name), x > edge
        start, below = (x - 6 - wide if turned else x + 6), y + 3
        while any(abs(below - other) < 9 and start < end and begin < start + wide for begin, end, other in taken):
            below += 1
        taken.append((start, start + wide, below))
        if below > y + 8:
            near = start + wide if turned else start
            parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{near:.1f}" y2="{below - 3:.1f}" stroke="#bbb"/>')
        at = f'x="{x - 6:.1f}" text-anchor="end"' if turned else f'x="{start:.1f}"'
        parts.append(f'<text {at} y="{below:.1f}" font-size="9">{escape(name)}</text>')
    return parts
