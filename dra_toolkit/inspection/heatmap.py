"""A similarity matrix as coloured cells with their numbers; without colour the numbers remain."""

from __future__ import annotations

import numpy as np
from rich.style import Style
from rich.text import Text

from dra_toolkit.groups import Array

# Steps from dark blue to yellow in even lightness (after the cividis colour map, Nuñez et al. 2018): readers with any
# colour vision see the same order.
_STOPS = np.array([(0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 184, 102), (254, 232, 56)])
CELL = 5
"""Characters of a cell."""


def heat_map(similarity: Array, *, columns: int) -> Text:
    """Return the matrix (G, G) with row and column numbers, at most `columns` characters wide.

    A group too wide for the terminal is shown for its first completions, with a note how many are left out.
    """
    G = len(similarity)
    shown = max(1, min(G, (columns - CELL) // CELL))
    text = Text(no_wrap=True)
    text.append(" " * CELL + "".join(f"{f'#{j}':>{CELL - 1}} " for j in range(shown)) + "\n", style="dim")
    for i in range(shown):
        text.append(f"{f'#{i}':>{CELL - 1}} ", style="dim")
        for j in range(shown):
            text.append(_number(similarity[i, j]), style=_style(float(similarity[i, j])))
        text.append("\n")
    if shown < G:
        text.append(f"{G - shown} more completions are left out: the terminal is too narrow\n", style="dim")
    return text


def _number(value: float) -> str:
    """Return ` .87 `, ` 1.0 `, `-.12 `: two digits and no zero before the point."""
    if np.isnan(value):
        return f"{'-':^{CELL}}"
    written = f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.", ".", 1)
    return f"{written:>{CELL - 1}} "


def _style(value: float) -> Style:
    if np.isnan(value):
        return Style()
    place = float(np.clip(value, 0.0, 1.0)) * (len(_STOPS) - 1)
    low = min(int(place), len(_STOPS) - 2)
    red, green, blue = np.rint(_STOPS[low] + (place - low) * (_STOPS[low + 1] - _STOPS[low])).astype(int)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
    return Style(color="rgb(255,255,255)" if dark else "rgb(0,0,0)", bgcolor=f"rgb({red},{green},{blue})")
