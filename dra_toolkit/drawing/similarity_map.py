"""The similarity of a group's completions as a matrix of shades, in an order in which similar ones stand together."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from dra_toolkit.drawing.numbers import MINUS, NOT_KNOWN
from dra_toolkit.drawing.svg import escaped, rect, text
from dra_toolkit.groups import Array

SIDE = 330.0
NUMBERS = 12
"""Largest group in whose cells the values are written."""
LABELS = 32
"""Largest group whose rows are numbered."""
_EXPONENT = 1.7
"""Above 1 makes differences between large similarities visible, which is where groups differ."""
_KINDS = {"cell": "#6a51a3", "cell-minus": "#b36b00", "cell-self": "#8884", "cell-none": "none"}
"""Class of a cell -> its colour where there is no style sheet."""


def similarity_map(
    similarity: Array,
    *,
    order: Sequence[int] | None = None,
    chosen: tuple[int, int] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    side: float = SIDE,
) -> str:
    """Return the matrix (G, G), its rows and columns numbered.

    order: which completion stands in each row; clustered where it is left out. chosen: a cell that is framed.
    span: the similarities that are painted not at all and wholly; negative ones are painted by their size.
    """
    order = clustered_order(similarity) if order is None else list(order)
    left, top = 26.0, 18.0
    cell = (side - left) / max(1, len(order))
    parts = [_cells(order, similarity, left, top, cell, span)]
    if len(order) <= LABELS:
        for place, i in enumerate(order):
            middle = (place + 0.5) * cell
            parts.append(text(left - 5, top + middle + 3.5, i, anchor="end", rest=f'data-i="{i}"'))
            parts.append(text(left + middle, top - 5, i, rest=f'data-i="{i}"'))
    if chosen and set(chosen) <= set(order):
        x, y = (order.index(i) for i in (chosen[1], chosen[0]))
        parts.append(rect(left + x * cell, top + y * cell, cell, cell, "chosen-cell"))
    parts.append('<rect class="cursor-cell" width="0" height="0" fill="none"/>')
    shape = json.dumps({"left": left, "top": top, "cell": cell, "order": order})
    values = json.dumps([[None if np.isnan(v) else round(v, 3) for v in row] for row in similarity.tolist()])
    high = top + side - left
    return (
        f'<svg viewBox="0 0 {side + 4:g} {high + 4:g}" role="img" aria-label="{escaped(_summary(similarity))}" '
        f'data-heat="{escaped(shape)}" data-values="{escaped(values)}">{"".join(parts)}</svg>'
    )


def thumbnail(similarity: Array, side: float = 64.0) -> str:
    """Return the matrix alone, small."""
    order = clustered_order(similarity)
    cells = _cells(order, similarity, 0, 0, side / max(1, len(order)), (0.0, 1.0), numbers=False)
    return f'<svg class="thumb" viewBox="0 0 {side:g} {side:g}" width="{side:g}" height="{side:g}">{cells}</svg>'


def others(similarity: Array) -> Array:
    """Return the similarities of different completions that were measured, (G * (G - 1) / 2,) at most."""
    found: Array = similarity[np.triu_indices(len(similarity), 1)]
    return found[np.isfinite(found)]


def stretched(similarity: Array) -> tuple[float, float]:
    """Return the span from the smallest to the largest similarity of different completions."""
    found = others(similarity)
    if not found.size or found.min() == found.max():
        return 0.0, 1.0
    return float(np.floor(found.min() * 100) / 100), float(np.ceil(found.max() * 100) / 100)


def clustered_order(similarity: Array) -> list[int]:
    """Return the completions, by place, so that similar ones are neighbours: average-linkage clustering.

    Of two clusters that are joined, each is turned so that the ends that meet are the more similar ones. What was not
    measured (NaN) counts as not similar. With equal similarities the completions keep their order.
    """
    G = len(similarity)
    S = np.nan_to_num(np.asarray(similarity, dtype=np.float64), nan=-1.0)
    members: dict[int, list[int]] = {i: [i] for i in range(G)}
    between = S.copy()
    np.fill_diagonal(between, -np.inf)
    for _ in range(G - 1):
        left, right = (int(i) for i in np.unravel_index(np.argmax(between), between.shape))
        left, right = min(left, right), max(left, right)
        a, b = members[left], members.pop(right)
        ways = [(a, b), (a, b[::-1]), (a[::-1], b), (a[::-1], b[::-1])]
        first, second = max(ways, key=lambda way: S[way[0][-1], way[1][0]])
        members[left] = first + second
        merged = (len(a) * between[left] + len(b) * between[right]) / (len(a) + len(b))
        between[left], between[:, left] = merged, merged
        between[left, left] = -np.inf
        between[right], between[:, right] = -np.inf, -np.inf
    return next(iter(members.values())) if members else []


def _shade(value: float, span: tuple[float, float]) -> float:
    """Return how strongly a similarity is painted: nothing at the beginning of the span, whole at its end."""
    if np.isnan(value):
        return 0.0
    share = abs(value) if value < 0 else (value - span[0]) / (span[1] - span[0])
    return round(float(np.clip(share, 0.0, 1.0)) ** _EXPONENT, 3)


def _cells(
    order: list[int], S: Array, left: float, top: float, cell: float, span: tuple[float, float], *, numbers: bool = True
) -> str:
    """Return one path for each shade, so that a large group costs no more than a small one."""
    shades: dict[tuple[str, int], list[str]] = {}
    written: list[str] = []
    gap = 1.0 if cell > 8 else 0.0
    rows = S.tolist()
    for y, i in enumerate(order):
        for x, j in enumerate(order):
            value = rows[i][j]
            kind = "cell-none" if value != value else "cell-self" if i == j else "cell-minus" if value < 0 else "cell"
            shade = _shade(value, span)
            box = f"M{left + x * cell:.1f} {top + y * cell:.1f}h{cell - gap:.1f}v{cell - gap:.1f}h-{cell - gap:.1f}z"
            shades.setdefault((kind, round(shade * 40)), []).append(box)
            if numbers and len(order) <= NUMBERS and i != j:
                ink = "on-dark" if shade > 0.75 else "on-light"
                at = (left + (x + 0.5) * cell, top + (y + 0.5) * cell + 3.5)
                written.append(text(*at, _value(value), f"value {ink}"))
    paths = [
        f'<path class="{kind}" fill="{_KINDS[kind]}" d="{"".join(boxes)}" '
        f'fill-opacity="{1 if kind == "cell-self" else shade / 40:g}"/>'
        for (kind, shade), boxes in shades.items()
    ]
    return "".join(paths + written)


def _value(value: float) -> str:
    if np.isnan(value):
        return NOT_KNOWN
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", MINUS) if abs(value) < 0.995 else f"{value:.0f}"


def _summary(similarity: Array) -> str:
    found = others(similarity)
    if not found.size:
        return f"similarity of {len(similarity)} completions, not measured"
    return (
        f"similarity of {len(similarity)} completions: mean {found.mean():.3f}, "
        f"lowest {found.min():.3f}, highest {found.max():.3f}"
    )
