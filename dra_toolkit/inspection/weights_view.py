"""Effective weights as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.inspection.views import number
from dra_toolkit.inspection.weights import Weights
from dra_toolkit.safe_text import visible

MOST_COLUMNS = 9
"""Shares shown in the terminal, the ends among them."""


def weights_view(found: Sequence[Weights]) -> RenderableType:
    """Return a table for each side: a row for each measure or record, a column for each share of right completions."""
    parts: list[RenderableType] = []
    for title, side in (("right completions, pushed up", "right"), ("wrong completions, pushed down", "wrong")):
        G = len(found[0].groups) - 1
        shown = np.unique(np.linspace(0, G, min(G + 1, MOST_COLUMNS)).round().astype(int)).tolist()
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("share right")
        for place in shown:
            table.add_column(f"{place}/{G}", justify="right")
        for each in found:
            values = getattr(each, side)
            table.add_row(Text(visible(_name(each), one_line=True)), *(number(values[place], 2) for place in shown))
        parts += [table, Text()]
    return Group(*parts)


def _name(each: Weights) -> str:
    return "GRPO (none)" if each.name == "none" else each.name
