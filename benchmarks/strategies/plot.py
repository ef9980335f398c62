"""The experiment's picture: each arm's seeds, mean and interval, as an SVG that docs/ shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

WIDTH, ROW, LEFT, TOP = 960, 22, 290, 46
PANELS = ("pass@1", "pass@8", "distinct correct ways of 8")
INK, DOT, MEAN = "#333333", "#56B4E9", "#0072B2"


def draw(path: Path, title: str, arms: Mapping[str, Mapping[int, Mapping[str, float]]]) -> None:
    """Write the picture of one task: a row for each arm, a panel for each measure."""
    height = TOP + ROW * len(arms) + 30
    panel = (WIDTH - LEFT) / len(PANELS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f'<text x="8" y="18" fill="{INK}" font-weight="600">{escape(title)}</text>'
    ]
    for row, arm in enumerate(arms):
        y = TOP + ROW * row + ROW / 2
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end" fill="{INK}">{escape(arm)}</text>')
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y}" y2="{y}" stroke="#eeeeee"/>')
    for number, measure in enumerate(PANELS):
        parts += _panel(measure, arms, LEFT + number * panel, panel - 24, height)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _panel(
    measure: str, arms: Mapping[str, Mapping[int, Mapping[str, float]]], left: float, width: float, height: int
) -> Sequence[str]:
    values = {arm: np.array([by[measure] for by in seeds.values()]) for arm, seeds in arms.items()}
    low, high = 0.0, max(float(found.max()) for found in values.values()) * 1.05

    def x(value: float) -> float:
        return left + width * (value - low) / (high - low)

    parts = [f'<text x="{left}" y="{TOP - 8}" fill="{INK}">{escape(measure)}</text>']
    for tick in np.linspace(low, high / 1.05, 4):
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 10}" fill="#777777" text-anchor="middle">{tick:.2f}</text>')
    for row, found in enumerate(values.values()):
        y = TOP + ROW * row + ROW / 2
        parts += [f'<circle cx="{x(v):.1f}" cy="{y}" r="3" fill="{DOT}" fill-opacity="0.6"/>' for v in found]
        if len(found) > 1:
            means = np.random.default_rng(0).choice(found, size=(10_000, len(found))).mean(axis=1)
            ends = np.quantile(means, [0.025, 0.975])
            line = f'x1="{x(ends[0]):.1f}" x2="{x(ends[1]):.1f}" y1="{y}" y2="{y}"'
            parts.append(f'<line {line} stroke="{MEAN}" stroke-width="2"/>')
        parts.append(f'<rect x="{x(found.mean()) - 1.5:.1f}" y="{y - 7}" width="3" height="14" fill="{MEAN}"/>')
    return parts
