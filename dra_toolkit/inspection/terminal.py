"""What all views for the terminal are made of: numbers, curves of blocks, and tables in which every text is harmless."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from dra_toolkit.groups import mean_of_known
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


def spread_over(rows: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many rows, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i * (len(rows) - 1) // (most - 1)] for i in range(most)] if most > 1 else [rows[-1]]
