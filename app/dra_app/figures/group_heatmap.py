"""The similarity of a group's completions as a matrix."""

from __future__ import annotations

import json

from dra_app.data.group_detail import GroupView
from dra_app.figures.svg import MINUS, NOT_KNOWN, Cell, escaped, figure, rect, short, text

_LEGEND = (
    '<div class="dra-legend"><span>0<i class="dra-ramp"></i>1</span>'
    "<span>click a cell to compare two texts</span></div>"
)
SIDE = 330.0
NUMBERS = 12
"""Largest group in whose cells the values are written."""
LABELS = 32
"""Largest group whose rows are numbered."""
_EXPONENT = 1.7
"""Above 1 makes differences between large similarities visible, which is where groups differ."""


def similarity_map(view: GroupView, name: str, *, chosen: tuple[int, int] | None = None, compares: bool = True) -> str:
    """Return the heat map, rows and columns in clustered order; compares: a click on a cell compares two completions."""
    order, S = view.order, view.similarity
    if not view.measured:
        return (
            '<figure class="dra-figure"><figcaption><b>Similarity of completions</b></figcaption><p class="dra-empty">Not '
            "measured: the run was recorded with <code>embedder: none</code>.</p></figure>"
        )
    left, top = 26.0, 18.0
    side = SIDE - left
    cell = side / max(1, len(order))
    parts = [_cells(order, S, left, top, cell)]
    if len(order) <= LABELS:
        for place, i in enumerate(order):
            middle = (place + 0.5) * cell
            parts.append(text(left - 5, top + middle + 3.5, i, anchor="end", rest=f'data-i="{i}"'))
            parts.append(text(left + middle, top - 5, i, rest=f'data-i="{i}"'))
    if chosen and set(chosen) <= set(order):
        x, y = (order.index(i) for i in (chosen[1], chosen[0]))
        parts.append(rect(left + x * cell, top + y * cell, cell, cell, "chosen-cell"))
    parts.append('<rect class="cursor-cell" width="0" height="0"/>')
    shape = json.dumps({"left": left, "top": top, "cell": cell, "order": order})
    values = json.dumps([[None if v is None else round(v, 3) for v in row] for row in S])
    return figure(
        "Similarity of completions",
        "".join(parts),
        (SIDE + 4, SIDE - left + top + 4),
        rows=_rows(S),
        name=f"{name}-similarity",
        attributes=f'data-heat="{escaped(shape)}" data-values="{escaped(values)}"',
        legend=_legend(S, compares),
    )


def _legend(S: list[list[float | None]], compares: bool) -> str:
    negative = any(value is not None and value < 0 for row in S for value in row)
    minus = '<span><i class="dra-key minus"></i>negative</span>' if negative else ""
    hint = "<span>click a cell to compare two texts</span>" if compares else ""
    return f'<div class="dra-legend"><span>0<i class="dra-ramp"></i>1</span>{minus}{hint}</div>'


def thumbnail(view: GroupView, side: float = 64.0) -> str:
    """Return the matrix alone, small."""
    if not view.measured:
        return f'<span class="dra-empty">{NOT_KNOWN}</span>'
    cell = side / max(1, len(view.order))
    cells = _cells(view.order, view.similarity, 0, 0, cell, numbers=False)
    return f'<svg class="dra-thumb" viewBox="0 0 {side:g} {side:g}" width="{side:g}" height="{side:g}">{cells}</svg>'


def opacity(value: float | None) -> float:
    """Return how strongly a similarity is painted: nothing at 0, whole at 1; negative ones by their size."""
    return 0.0 if value is None else round(min(1.0, abs(value)) ** _EXPONENT, 3)


def _cells(
    order: list[int], S: list[list[float | None]], left: float, top: float, cell: float, *, numbers: bool = True
) -> str:
    """Return one path for each shade, so that a large group costs no more than a small one."""
    shades: dict[tuple[str, int], list[str]] = {}
    written: list[str] = []
    gap = 1.0 if cell > 8 else 0.0
    for y, i in enumerate(order):
        for x, j in enumerate(order):
            value = S[i][j]
            kind = "cell-none" if value is None else "cell-self" if i == j else "cell-minus" if value < 0 else "cell"
            box = f"M{left + x * cell:.1f} {top + y * cell:.1f}h{cell - gap:.1f}v{cell - gap:.1f}h-{cell - gap:.1f}z"
            shades.setdefault((kind, round(opacity(value) * 40)), []).append(box)
            if numbers and len(order) <= NUMBERS and i != j:
                ink = "on-dark" if opacity(value) > 0.75 else "on-light"
                at = (left + (x + 0.5) * cell, top + (y + 0.5) * cell + 3.5)
                written.append(text(*at, _value(value), f"value {ink}"))
    paths = [
        f'<path class="{kind}" d="{"".join(boxes)}" fill-opacity="{1 if kind == "cell-self" else shade / 40:g}"/>'
        for (kind, shade), boxes in shades.items()
    ]
    return "".join(paths + written)


def _value(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    written = f"{value:.2f}"
    return written.replace("0.", ".", 1).replace("-", MINUS) if abs(value) < 0.995 else short(round(value, 2))


def _rows(S: list[list[float | None]]) -> list[list[Cell]]:
    head: list[Cell] = ["completion", *range(len(S))]
    rows: list[list[Cell]] = [[i, *row] for i, row in enumerate(S)]
    return [head, *rows]
