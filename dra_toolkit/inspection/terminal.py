"""What views for the terminal are made of: numbers, curves of blocks, matrices, tables in which every text is harmless."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from rich.cells import cell_len
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dra_toolkit.groups import Array, mean_of_known
from dra_toolkit.inspection.group_list import Stretch
from dra_toolkit.safe_text import visible

BLOCKS = "▁▂▃▄▅▆▇█"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def short(value: float) -> str:
    """Return a number with three digits behind the point, or none where it is large."""
    return number(value, 3) if abs(value) < 100 else f"{value:.0f}"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve of at most `width` block characters, from the smallest to the largest value; NaN is a blank."""
    if not values or width < 1:
        return ""
    parts = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    shown = [mean_of_known(part) for part in parts if part] if len(values) > width else list(values)
    known = [value for value in shown if not math.isnan(value)]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if math.isnan(value) else BLOCKS[round((value - low) * scale)] for value in shown)


def safe(text: Any, style: str = "") -> Text:
    """Return a text of one line that nothing in it can colour, move or break."""
    return Text(visible(str(text), one_line=True), style)


def cut_at_the_end(text: Any) -> Text:
    """Return a text of one line that ends in … where there is no room for all of it."""
    found = safe(str(text)[:400])
    found.no_wrap, found.overflow = True, "ellipsis"
    return found


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]], **looks: Any) -> Table:
    """Return a table; what is no renderable is made a harmless text. A head after > is aligned right and never wrapped."""
    found = Table(**{"box": None, "padding": (0, 1), "collapse_padding": True, **looks})
    for head in heads:
        right = head.startswith(">")
        justify: Literal["left", "right"] = "right" if right else "left"
        found.add_column(safe(head.removeprefix(">")), justify=justify, no_wrap=right, overflow="fold")
    for row in rows:
        found.add_row(*(cell if isinstance(cell, Text) else safe(cell) for cell in row))
    return found


def narrow_tables(columns: Sequence[Sequence[Any]], width: int, *, apart: str) -> Iterator[Table]:
    """Yield columns, each a head and its cells, as a table, or as several that fit `width`, each with the first column."""
    least = [1 + max(cell_len(word) for cell in column for word in str(cell).split()) for column in columns]
    pieces, is_wide = [[0]], sum(least) > width
    for k in range(1, len(columns)):
        if is_wide and (columns[k][0] == apart or sum(least[i] for i in (*pieces[-1], k)) > width):
            pieces.append([0])
        pieces[-1].append(k)
    for piece in pieces:
        heads, *rows = zip(*(columns[k] for k in piece), strict=True)
        shown = table(heads, rows)
        for column in shown.columns:
            column.justify = "right"
        yield shown


def spread_over(rows: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many rows, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i * (len(rows) - 1) // (most - 1)] for i in range(most)] if most > 1 else [rows[-1]]


def rows_view(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Return the answer to a query as a table."""
    texts = ([f"{v:.6g}" if isinstance(v, float) else "" if v is None else str(v) for v in row] for row in rows)
    cells = ([text if len(text) <= 400 else f"{text[:400]}…" for text in row] for row in texts)
    return table((f" {name}" if str(name).startswith(">") else name for name in columns), cells)


SHADES = ("#002248", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")
"""From dark blue to yellow in even lightness (after the cividis colour map, Nuñez et al. 2018): readers with any colour
vision see the same order. On the first three text is white."""
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
            value = float(similarity[i, j])
            written = f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.", ".", 1)
            written = f"{'-':^{CELL}}" if np.isnan(value) else f"{written:>{CELL - 1}} "
            text.append(written, style=_style(value))
        text.append("\n")
    if shown < G:
        text.append(f"{G - shown} more completions are left out: the terminal is too narrow\n", style="dim")
    return text


def _style(value: float) -> Style:
    if np.isnan(value):
        return Style()
    place = round(float(np.clip(value, 0.0, 1.0)) * (len(SHADES) - 1))
    return Style(color="#ffffff" if place < 3 else "#000000", bgcolor=SHADES[place])


LINES = 30
"""Lines shown of one difference."""
CHARACTERS = 3_000
"""Characters shown of one difference."""
ENDS = 100
"""Characters shown of the beginning and the end of a long stretch of it."""


def difference_text(stretches: Iterable[Stretch]) -> Text:
    """Return stretches of two texts: what only one has is coloured and bracketed, so that it shows without colour too."""
    text = Text()
    for stretch in stretches:
        left_out = len(stretch.text) - 2 * ENDS
        ends = f"{stretch.text[:ENDS]} … {left_out:,} characters … {stretch.text[-ENDS:]}"
        shown = visible(stretch.text if left_out <= ENDS else ends)
        looks = {"left": (f"[-{shown}-]", "red strike"), "right": (f"{{+{shown}+}}", "green"), "both": (shown, "")}
        text.append(*looks[stretch.kind])
    kept = Text("\n").join(text[:CHARACTERS].split("\n")[:LINES])
    return kept.append(f"\n… {len(text) - len(kept):,} more characters", "dim") if len(kept) < len(text) else text
