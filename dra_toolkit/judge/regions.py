r"""Sets of real numbers: intervals, their unions, conditions on one variable."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

from dra_toolkit.judge.equality import close, real, symbols
from dra_toolkit.judge.expressions import Node, UnreadableError, read_expression
from dra_toolkit.judge.splitting import outside, split
from dra_toolkit.judge.values import Collection, Named, Piece, Quantity, Region

_SIGN = re.compile(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>)")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_WITHOUT = re.compile(r"(\\mathbb\{R\}|[(\[][^()\[\]]*[)\]])\s*(?:\\setminus|-|/)\s*\\\{(.+)\\\}")
_BUILT = re.compile(r"\\\{\s*[A-Za-z]\s*(?:\\in\s*\\mathbb\{R\}\s*)?[:|]\s*(.+)\\\}")
_SIZE = re.compile(r"\|\s*([A-Za-z])\s*\|\s*(<|>|\\le(?![a-z])|\\ge(?![a-z]))\s*([\d./]+|\\frac\{\d+\}\{\d+\})")
_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?")
_AND, _OR = (
    re.compile(r"\s*(?:\band\b|\\(?:land|wedge)(?![a-zA-Z])|,(?=.*\\ne))\s*"),
    re.compile(r"\s*,?\s*(?:\bor\b|\\(?:lor|vee)(?![a-zA-Z]))\s*"),
)


def read_region(text: str) -> Any | None:
    r"""Return the Region, with the variable as its name where there is one, that a text describes; None if it is none.

    Reads unions of intervals, \mathbb{R} with or without points, and conditions `x < 0 or x > 1`, `1 <= x < 2`, `x \ne 0`
    on one variable with numbers on the other sides.
    """
    if text in ("\\mathbb{R}", "(-\\infty, \\infty)"):
        return everything()
    without = _WITHOUT.fullmatch(text)
    if without:
        points = _without([_number(part) for part in split(without[2], ",", bracketed=True)])
        whole = everything() if without[1] == "\\mathbb{R}" else _union_of([without[1]])
        if not isinstance(whole, Region):
            return None
        return Region(tuple(p for a in whole.pieces for b in points.pieces if (p := _common(a, b)) is not None))
    built = _BUILT.fullmatch(text)
    if built:
        return read_region(built[1])
    size = _SIZE.fullmatch(text)
    if size:
        name, sign, end = size.groups()
        below = sign in ("<", "\\le")
        return _condition(
            f"-({end}) {sign} {name} {sign} {end}" if below else f"{name} {sign} {end} or -({end}) {sign} {name}"
        )
    if _UNION.search(text):
        return _union_of(outside(_UNION, text))
    if not _SIGN.search(text):
        return None
    return _condition(text)


def interval(low: Any, high: Any, brackets: str) -> Region | None:
    """Return the interval between two values read from a pair; None where they are no numbers in order."""
    if not (isinstance(low, Quantity) and isinstance(high, Quantity)) or (low.unit or high.unit):
        return None
    ends = real(low.node), real(high.node)
    if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    return Region((Piece(ends[0], ends[1], brackets[0] == "[", brackets[1] == "]"),))


def everything() -> Region:
    """Return the real line."""
    import mpmath

    return Region((Piece(-mpmath.inf, mpmath.inf, False, False),))


def same_region(left: Region, right: Region) -> bool:
    """Return whether two regions are equal."""
    return len(left.pieces) == len(right.pieces) and all(
        close(a.low, b.low) and close(a.high, b.high) and (a.low_closed, a.high_closed) == (b.low_closed, b.high_closed)
        for a, b in zip(left.pieces, right.pieces, strict=True)
    )


def _number(text: str) -> Any:
    found = real(read_expression(text))
    if found is None:
        raise UnreadableError(text)
    return found


def _joined(pieces: Iterable[Piece]) -> Region:
    made: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.low, not piece.low_closed)):
        last = made[-1] if made else None
        touches = last is not None and (
            piece.low < last.high or (piece.low == last.high and (piece.low_closed or last.high_closed))
        )
        if last is not None and touches:
            higher = max(last, piece, key=lambda p: (p.high, p.high_closed))
            made[-1] = Piece(last.low, higher.high, last.low_closed, higher.high_closed)
        else:
            made.append(piece)
    return Region(tuple(made))


def _without(points: list[Any]) -> Region:
    import mpmath

    ends = [-mpmath.inf, *sorted(points), mpmath.inf]
    return Region(tuple(Piece(low, high, False, False) for low, high in itertools.pairwise(ends)))


def _union_of(parts: list[str]) -> Any | None:
    name: str | None = None
    pieces: list[Piece] = []
    sets = [part.strip() for part in parts]
    if all(part.startswith("\\{") and part.endswith("\\}") for part in sets):
        inside = [read_expression(item) for part in sets for item in split(part[2:-2], ",", bracketed=True)]
        return Collection("set", tuple(map(Quantity, inside)))
    for part in parts:
        part = part.strip()
        member = re.fullmatch(r"(\\?[A-Za-z]\w*(?:\([a-z]\))?)\s*(?:\\in|=)\s*(.*)", part)
        if member and not pieces:
            name, part = member[1], member[2]
        if part.startswith("\\{") and part.endswith("\\}"):
            for point in split(part[2:-2], ",", bracketed=True):
                at = _number(point)
                pieces.append(Piece(at, at, True, True))
            continue
        if not re.fullmatch(r"[(\[].*[)\]]", part):
            return None
        ends = split(part[1:-1], ",", bracketed=True)
        if len(ends) != 2:
            return None
        found = interval(Quantity(read_expression(ends[0])), Quantity(read_expression(ends[1])), part[0] + part[-1])
        if found is None:
            return None
        pieces += found.pieces
    return Named(name, _joined(pieces)) if name else _joined(pieces)


def _condition(text: str) -> Any | None:
    alternatives = outside(_OR, text)
    found = [_single(part) for part in alternatives]
    if any(one is None for one in found):
        return None
    names = {one[0] for one in found if one and one[0]}
    if len(names) > 1:
        return None
    region = _joined(piece for one in found if one for piece in one[1])
    return Named(names.pop(), region) if names else region


def _single(text: str) -> tuple[str | None, list[Piece]] | None:
    """Return the variable and the intervals of conditions that hold together."""
    name: str | None = None
    pieces = list(everything().pieces)
    for part in outside(_AND, text):
        sides = _SIGN.split(part.strip())
        if len(sides) < 3:
            return None
        for left, sign, right in zip(sides[::2], sides[1::2], sides[2::2], strict=False):
            found = _half_line(left.strip(), sign, right.strip())
            if found is None or (name and found[0] and found[0] != name):
                return None
            name = name or found[0]
            pieces = [one for a in pieces for b in found[1] if (one := _common(a, b)) is not None]
    return name, pieces


def _half_line(left: str, sign: str, right: str) -> tuple[str | None, list[Piece]] | None:
    """Return what one comparison of a variable, or of nothing (`< 5`), with a number allows."""
    import mpmath

    turned = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne"}
    bare = bool(_VARIABLE.fullmatch(left)) and _is_name(left)
    if not left or bare:
        name, other = left or None, right
    elif _VARIABLE.fullmatch(right) and _is_name(right):
        name, other, sign = right, left, turned[sign]
    else:
        return _linear(left, sign, right)
    if not other:
        return None
    try:
        end = _number(other)
    except UnreadableError:
        return None
    if sign == "\\ne":
        return name, list(_without([end]).pieces)
    closed = sign in ("\\le", "\\ge")
    if sign in ("<", "\\le"):
        return name, [Piece(-mpmath.inf, end, False, closed and end != mpmath.inf)]
    return name, [Piece(end, mpmath.inf, closed and end != -mpmath.inf, False)]


def _is_name(text: str) -> bool:
    return text not in ("e", "i", "\\pi", "pi", "\\infty", "infinity")


def _linear(left: str, sign: str, right: str) -> tuple[str | None, list[Piece]] | None:
    """Solve a comparison that is linear in its one variable."""
    import mpmath

    from dra_toolkit.judge.equality import value

    difference: Node = ("add", read_expression(left), ("neg", read_expression(right)))
    names = symbols(difference)
    if len(names) != 1:
        return None
    (name,) = names
    with mpmath.workprec(400):
        at = [value(difference, {name: x}) for x in (0, 1, 2, 5)]  # type: ignore[dict-item]
        if any(v is None or mpmath.im(v) != 0 for v in at) or at[0] == at[1]:
            return None
        slope = at[1] - at[0]
        if not (close(at[2] - at[0], 2 * slope) and close(at[3] - at[0], 5 * slope)):
            return None
        end = -at[0] / slope
    if slope < 0:
        sign = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne"}[sign]
    if sign == "\\ne":
        return name, list(_without([end]).pieces)
    closed = sign in ("\\le", "\\ge")
    return name, [
        Piece(-mpmath.inf, end, False, closed) if sign in ("<", "\\le") else Piece(end, mpmath.inf, closed, False)
    ]


def _common(a: Piece, b: Piece) -> Piece | None:
    low = max((a.low, not a.low_closed), (b.low, not b.low_closed))
    high = min((a.high, a.high_closed), (b.high, b.high_closed))
    if low[0] > high[0] or (low[0] == high[0] and (low[1] or not high[1])):
        return None
    return Piece(low[0], high[0], not low[1], high[1])
