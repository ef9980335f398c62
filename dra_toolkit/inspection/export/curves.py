"""A curve as a small inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT, MARGIN = 320, 110, 14
POINTS = 400
"""Points drawn at most; of more the mean of neighbours is drawn."""


def curve(steps: Sequence[int], values: Sequence[float]) -> str:
    """Return a line over the steps, with its smallest and largest value; unknown values leave a gap."""
    x, y = _thinned(np.asarray(steps, dtype=np.float64)), _thinned(np.asarray(values, dtype=np.float64))
    known = y[~np.isnan(y)]
    low, high = float(known.min()), float(known.max())
    across = (WIDTH - 2 * MARGIN) / max(x[-1] - x[0], 1.0)
    up = (HEIGHT - 3 * MARGIN) / (high - low) if high > low else 0.0
    commands, pen_down = [], False
    for at, value in zip(x, y, strict=True):
        if np.isnan(value):
            pen_down = False
            continue
        place = f"{MARGIN + (at - x[0]) * across:.1f},{HEIGHT - 2 * MARGIN - (value - low) * up:.1f}"
        commands.append(("L" if pen_down else "M") + place)
        pen_down = True
    labels = (
        f'<text x="{MARGIN}" y="10">{high:.4g}</text><text x="{MARGIN}" y="{HEIGHT - MARGIN}">{low:.4g}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 2}">step {steps[0]}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 2}" text-anchor="end">{steps[-1]}</text>'
    )
    path = f'<path d="{"".join(commands)}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{path}{labels}</svg>'


def _thinned(values: np.ndarray) -> np.ndarray:
    if len(values) <= POINTS:
        return values
    edges = np.linspace(0, len(values), POINTS + 1).astype(int)
    counts = np.add.reduceat(~np.isnan(values), edges[:-1])
    sums = np.add.reduceat(np.nan_to_num(values), edges[:-1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
