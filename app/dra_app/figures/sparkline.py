"""A curve without axes, for a row of a table."""

from __future__ import annotations

import numpy as np

from dra_toolkit.drawing.series import thinned
from dra_toolkit.groups import Array

WIDTH, HEIGHT = 120.0, 26.0


def sparkline(values: Array, kind: str = "raw") -> str:
    """Return a small SVG from the lowest to the highest value; nothing where nothing is known.

    kind: the meaning whose colour it has.
    """
    _, (values,) = thinned(np.arange(len(values)), [values], int(WIDTH))
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return ""
    low, high = float(known.min()), float(known.max())
    across = (WIDTH - 6) / max(1, len(values) - 1)
    up = (HEIGHT - 6) / (high - low) if high > low else 0.0
    commands, is_down = [], False
    for place, value in enumerate(values.tolist()):
        if np.isnan(value):
            is_down = False
            continue
        y = HEIGHT - 3 - (value - low) * up if up else HEIGHT / 2
        commands.append(f"{'L' if is_down else 'M'}{3 + place * across:.1f} {y:.1f}")
        is_down = True
    label = f"from {values[0]:.3g} to {values[-1]:.3g}"
    return (
        f'<svg class="dra-spark {kind}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}" role="img" '
        f'aria-label="{label}"><title>{label}</title><path d="{"".join(commands)}"/></svg>'
    )
