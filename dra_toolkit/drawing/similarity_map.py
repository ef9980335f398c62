"""The similarity of a group's completions as a matrix of shades, in an order in which similar ones stand together."""

import json
from collections.abc import Sequence

import numpy as np

from dra_toolkit.drawing.numbers import MINUS, short
from dra_toolkit.drawing.svg import escaped, rect, text
from dra_toolkit.groups import Array

SIDE = 330.0
LABELS = 32
"""Largest group whose rows are numbered."""
_EXPONENT = 1.7  # above 1 makes differences between large similarities visible, which is where groups differ
_KINDS = {"cell": "#6a51a3", "cell-minus": "#b36b00", "cell-self": "#8884", "cell-none": "none"}
"""Class of a cell -> its colour where there is no style sheet."""


def similarity_map(
    similarity: Array,
    *,
    order: Sequence[int] | None = None,
    chosen: tuple[int, int] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> str:
    """Return the matrix (G, G), its rows and columns numbered.

    order: which completion stands in each row; clustered where it is left out. chosen: a cell that is framed.
    span: the similarities that are painted not at all and wholly; negative ones are painted by their size.
    """
    order = clustered_order(similarity) if order is None else list(order)
    left, top = 26.0, 18.0
    cell = (SIDE - left) / max(1, len(order))
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
    head = f'<svg viewBox="0 0 {SIDE + 4:g} {top + SIDE - left + 4:g}" role="img"'
    return f'{head} aria-label="{_summary(similarity)}" data-heat="{escaped(shape)}">{"".join(parts)}</svg>'


def thumbnail(similarity: Array) -> str:
    """Return the matrix alone, small."""
    cells = _cells(clustered_order(similarity), similarity, 0, 0, 64 / max(1, len(similarity)), (0.0, 1.0))
    return f'<svg class="thumb" viewBox="0 0 64 64" width="64" height="64">{cells}</svg>'


def others(similarity: Array) -> Array:
    """Return the similarities of different completions that were measured, (G * (G - 1) / 2,) at most."""
    found: Array = similarity[np.triu_indices(len(similarity), 1)]
    return found[np.isfinite(found)]


def clustered_order(similarity: Array) -> list[int]:
    """Return the completions, by place, so that similar ones are neighbours: average linkage, like ends turned together.

    What was not measured (NaN) counts as not similar; equally similar ones stand about as they were sampled.
    """
    from scipy.cluster.hierarchy import linkage

    if (G := len(similarity)) < 3:
        return list(range(G))
    S, (i, j) = np.nan_to_num(similarity.astype(np.float64), nan=-1.0), np.triu_indices(G, 1)
    clusters = [[place] for place in range(G)]
    for a, b in linkage(np.clip(1 - S[i, j], 0, None) + 1e-9 * (j - i), "average")[:, :2].astype(int).tolist():
        ways = ((x, y) for x in (clusters[a], clusters[a][::-1]) for y in (clusters[b], clusters[b][::-1]))
        left, right = max(ways, key=lambda way: S[way[0][-1], way[1][0]])
        clusters.append(left + right)
    found = clusters[-1]
    return found if found[0] < found[-1] else found[::-1]


def _shades(S: Array, span: tuple[float, float]) -> Array:
    """Return how strongly similarities are painted: nothing at the beginning of the span, wholly at its end."""
    shares = np.where(S < 0, np.abs(S), (S - span[0]) / (span[1] - span[0]))
    return np.nan_to_num(np.clip(shares, 0.0, 1.0)) ** _EXPONENT


def _cells(order: list[int], S: Array, left: float, top: float, cell: float, span: tuple[float, float]) -> str:
    """Return one path for each shade, so that a large group costs no more than a small one."""
    shades, written = dict[tuple[str, int], list[str]](), list[str]()
    inner = cell - (1.0 if cell > 8 else 0.0)
    box = f"h{inner:.1f}v{inner:.1f}h-{inner:.1f}z"
    values = S[np.ix_(order, order)]
    painted = _shades(values, span).tolist()
    for (y, x), found in np.ndenumerate(values):
        value, shade = float(found), painted[y][x]
        kind = "cell-none" if value != value else "cell-self" if x == y else "cell-minus" if value < 0 else "cell"
        shades.setdefault((kind, round(shade * 40)), []).append(f"M{left + x * cell:.1f} {top + y * cell:.1f}{box}")
        if cell > 25 and x != y:  # else there is no room for its value
            ink = "on-dark" if shade > 0.68 else "on-light"
            at = (left + (x + 0.5) * cell, top + (y + 0.5) * cell + 3.5)
            said = short(value) if value != value else f"{value:.2f}".replace("0.", ".", 1).replace("-", MINUS)
            written.append(text(*at, said, f"value {ink}"))
    paths = [
        f'<path class="{kind}" fill="{_KINDS[kind]}" d="{"".join(boxes)}" '
        f'fill-opacity="{1 if kind == "cell-self" else shade / 40:g}"/>'
        for (kind, shade), boxes in shades.items()
    ]
    return "".join(paths + written)


def _summary(similarity: Array) -> str:
    found, said = others(similarity), f"similarity of {len(similarity)} completions"
    told = f": mean {found.mean():.3f}, lowest {found.min():.3f}, highest {found.max():.3f}" if found.size else ""
    return said + (told or ", not measured")
