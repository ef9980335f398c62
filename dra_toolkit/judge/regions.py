r"""Sets of real numbers: intervals, their unions, conditions on one variable."""

import itertools
import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import mpmath

from dra_toolkit.judge.brackets import outside, split
from dra_toolkit.judge.equality import close, real, symbols, value
from dra_toolkit.judge.expressions import Node, UnreadableError, read_expression
from dra_toolkit.judge.values import Collection, Named, Piece, Quantity, Region

_SIGN = re.compile(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>)")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_WITHOUT = re.compile(r"(\\mathbb\{R\}|[(\[][^()\[\]]*[)\]])\s*(?:\\setminus|-|/)\s*\\\{(.+)\\\}")
_BUILT = re.compile(r"(?:\\\{)?\s*[A-Za-z]\s*(?:\\in\s*\\mathbb\{R\}\s*)?[:|]\s*([^|]+?)(?:\\\})?")
_SIZE = re.compile(r"\|([^|<>=]{1,40})\|\s*(<|>|\\le(?![a-z])|\\ge(?![a-z]))\s*([^|<>=,]+)")
_VARIABLE = re.compile(r"(?!(?:[ei]|\\?pi|\\infty|infinity)$)\\?[A-Za-z]+(?:_\{?\w+\}?)?")
_AND = re.compile(r"\s*(?:\band\b|\\(?:land|wedge)(?![a-zA-Z])|,(?=.*\\ne))\s*")
_OR = re.compile(r"\s*,?\s*(?:\bor\b|\\(?:lor|vee)(?![a-zA-Z]))\s*")
_TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne"}


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
        return Region(tuple(_common(whole.pieces, points))) if isinstance(whole, Region) else None
    built = _BUILT.fullmatch(text)
    if built:
        return read_region(built[1])
    size = _SIZE.fullmatch(text)
    if size:
        name, sign, end = size.groups()
        joined = f"{sign} {name}" if sign in ("<", "\\le") else f"{sign} {name} or {name}"
        return _condition(f"-({end}) {joined} {sign} {end}")
    if _UNION.search(text):
        return _union_of(outside(_UNION, text))
    return _condition(text) if _SIGN.search(text) else None


def interval(low: Any, high: Any, brackets: str) -> Region | None:
    """Return the interval between two values read from a pair; None where they are no numbers in order."""
    if not (isinstance(low, Quantity) and isinstance(high, Quantity)) or (low.unit or high.unit):
        return None
    ends = real(low.node), real(high.node)
    if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    return Region((Piece(ends[0], ends[1], brackets[0] == "[", brackets[1] == "]"),))


def as_region(value: Any) -> Region | None:
    """Return a value as a set of reals: a pair in round brackets may be an open interval."""
    if isinstance(value, Collection) and value.kind == "tuple" and len(value.items) == 2:
        return interval(value.items[0], value.items[1], value.brackets)
    return value if isinstance(value, Region) else None


def everything() -> Region:
    """Return the real line."""
    return Region((Piece(-math.inf, math.inf, False, False),))


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


def _without(points: list[Any]) -> list[Piece]:
    ends = [-math.inf, *sorted(points), math.inf]
    return [Piece(low, high, False, False) for low, high in itertools.pairwise(ends)]


def _union_of(parts: list[str]) -> Any | None:
    from dra_toolkit.judge.reading import part

    found = list(map(part, parts))
    name = found[0].name if isinstance(found[0], Named) else None
    found[0] = found[0].value if isinstance(found[0], Named) else found[0]
    if all(isinstance(one, Collection) and one.kind == "set" for one in found):
        union: Any = Collection("set", tuple(item for one in found for item in one.items))
    else:
        union = _joined(piece for one in found for piece in _pieces(one))
    return Named(name, union) if name else union


def _pieces(value: Any) -> Iterable[Piece]:
    if isinstance(value, Collection) and value.kind == "set":
        points = [real(item.node) if isinstance(item, Quantity) else None for item in value.items]
        region = None if None in points else Region(tuple(Piece(point, point, True, True) for point in points))
    else:
        region = as_region(value)
    if region is None:
        raise UnreadableError(str(value))
    return region.pieces


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
    pieces: Iterable[Piece] = everything().pieces
    for part in outside(_AND, text):
        sides = _SIGN.split(part.strip())
        if len(sides) < 3:
            return None
        for left, sign, right in zip(sides[::2], sides[1::2], sides[2::2], strict=False):
            found = _half_line(left.strip(), sign, right.strip())
            if found is None or (name and found[0] and found[0] != name):
                return None
            name = name or found[0]
            pieces = _common(pieces, found[1])
    return name, list(pieces)


def _half_line(left: str, sign: str, right: str) -> tuple[str | None, list[Piece]] | None:
    """Return what one comparison of a variable, or of nothing (`< 5`), with a number allows."""
    if not left or _VARIABLE.fullmatch(left):
        return (left or None, _ray(_number(right), sign)) if right else None
    if _VARIABLE.fullmatch(right):
        return right, _ray(_number(left), _TURNED[sign])
    return _linear(left, sign, right)


def _ray(end: Any, sign: str) -> list[Piece]:
    if sign == "\\ne":
        return _without([end])
    closed = sign in ("\\le", "\\ge") and not mpmath.isinf(end)
    return [Piece(-math.inf, end, False, closed) if sign in ("<", "\\le") else Piece(end, math.inf, closed, False)]


def _linear(left: str, sign: str, right: str) -> tuple[str | None, list[Piece]] | None:
    """Solve a comparison that is linear in its one variable."""
    difference: Node = ("add", read_expression(left), ("neg", read_expression(right)))
    names = symbols(difference)
    if len(names) != 1:
        return None
    (name,) = names
    with mpmath.workprec(400):
        at = [value(difference, {name: Fraction(x)}) for x in (0, 1, 2, 5)]
        if any(v is None or v.imag != 0 for v in at) or at[0] == at[1]:
            return None
        slope = at[1] - at[0]
        if not (close(at[2] - at[0], 2 * slope) and close(at[3] - at[0], 5 * slope)):
            return None
        return name, _ray(-at[0] / slope, _TURNED[sign] if slope < 0 else sign)


def _common(some: Iterable[Piece], others: Iterable[Piece]) -> list[Piece]:
    """Return what lies in one of some intervals and in one of others too."""
    made = []
    for a, b in itertools.product(some, others):
        low = max((a.low, not a.low_closed), (b.low, not b.low_closed))
        high = min((a.high, a.high_closed), (b.high, b.high_closed))
        if low[0] < high[0] or (low[0] == high[0] and not low[1] and high[1]):
            made.append(Piece(low[0], high[0], not low[1], high[1]))
    return made
