"""Read amounts: an expression with the unit or currency around it, and compound ones such as 3 hours 20 minutes."""

from __future__ import annotations

import re
from fractions import Fraction

from dra_toolkit.judge.equality import plus_minus
from dra_toolkit.judge.expressions import FUNCTIONS, Node, UnreadableError, based, number, read_expression
from dra_toolkit.judge.units import PI_180, SCALES, Unit, read_unit
from dra_toolkit.judge.values import Collection, Quantity, Value

_CURRENCY = re.compile(r"([-+]?)\s*(?:US|A|C)?([$€£¥₹])\s*(?=[-\d.\\])")
_COMPOUND = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+\.?|\^\\circ|''|')\s*(?:,|and\b)?\s*")
_SCALE = re.compile(rf"(.*\d)\s*({'|'.join(SCALES)})s?(?![a-z])(?:\s+of\b)?\s*(.*)", re.IGNORECASE)
_GAP = re.compile(
    r"(?<=[\d})!.])\s*(?=\\frac\s*\{\s*[a-z]|[A-Za-z%$€£¥₹¢^\u4e00-\u9fff])|(?<=pi)\s+(?=[A-Za-z%^])|(?<=[a-z])\s+(?=[A-Za-z]{2})"
)
_FUNCTION = re.compile(r"(?:sin|cos|tan|cot|sec|csc|log|ln)(?![a-z])")
_COUNTED = re.compile(r"([+-]?[\d.,]+(?:\\frac\{\d+\}\{\d+\})?)\s+([a-z]{3,}(?:\s[a-z]+){0,2})")
_BASED = re.compile(r"([0-9A-Za-z]+)_\{?(\d+)\}?")


def read_compound(text: str) -> Value | None:
    """Read 3 hours 20 minutes, 25 degrees 30', 5 ft 10 in: units of one dimension, each smaller than the one before."""
    parts = list(_COMPOUND.finditer(text))
    if len(parts) < 2 or "".join(part[0] for part in parts) != text:
        return None
    if parts[0][2] == "^\\circ":
        sizes = {"^\\circ": Fraction(1), "'": Fraction(1, 60), "''": Fraction(1, 3600)}
        if any(part[2] not in sizes for part in parts):
            return None
        return Quantity(number(sum(Fraction(p[1]) * sizes[p[2]] for p in parts)), Unit((("angle", 1),), PI_180))
    units = [read_unit(part[2]) for part in parts]
    first = units[0]
    if first is None or any(u is None or u.thing or u.dimensions != first.dimensions for u in units):
        return None
    factors = [u.factor[1] for u in units if u and u.factor[0] == "num"]
    if len(factors) < len(parts) or factors != sorted(factors, reverse=True) or len(set(factors)) < len(factors):
        return None
    total = sum(Fraction(part[1]) * factor for part, factor in zip(parts, factors, strict=True))
    return Quantity(number(total), Unit(first.dimensions, number(1)), compound=True)


def read_quantity(text: str) -> Value | None:
    unit, compound = None, False
    currency = _CURRENCY.match(text)
    if currency:
        unit = read_unit(currency[2])
        text = currency[1] + text[currency.end() :]
    scaled = _SCALE.fullmatch(text)
    scale = 1
    if scaled:
        text, scale = f"{scaled[1]} {scaled[3]}".strip(), SCALES[scaled[2].lower()]
    node, found = _with_unit(text)
    if node is None or (unit and found and unit != found):
        return None
    if scale != 1:
        node = ("mul", node, number(scale))
    unit = unit or found
    values = plus_minus(node)
    if len(values) > 1:
        return Collection("list", tuple(Quantity(value, unit) for value in values))
    return Quantity(node, unit, compound)


def _with_unit(text: str) -> tuple[Node | None, Unit | None]:
    """Return the expression of a text and the unit behind it."""
    text = re.sub(r"^([+-]?\d+)\s+(\d+)/(\d+)(?=$|\s|\^|%)", _mixed, text)
    text = re.sub(r"(?<=\d)\s(?=\d{3}(?!\d))", "", text) if re.match(r"[+-]?\d{1,3}(?:\s\d{3})+(?!\d)", text) else text
    plain_units = not _FUNCTION.search(text)
    known = _split_unit(text, known=True) if plain_units else None
    if known:
        return known
    counted = _COUNTED.fullmatch(text)
    thing = read_unit(counted[2]) if counted and not {*FUNCTIONS, "pi"} & set(counted[2].split()) else None
    if counted and thing:
        return read_expression(counted[1]), thing
    try:
        return _based(text) or read_expression(text), None
    except UnreadableError:
        return _split_unit(text, known=False) or (None, None)


def _split_unit(text: str, *, known: bool) -> tuple[Node, Unit] | None:
    """Split a text into an expression and the unit behind it; known: let no counted thing be one, nor a single letter."""
    for gap in _GAP.finditer(text):
        behind = text[gap.end() :]
        unit = read_unit(behind) if gap.start() else None
        if unit is None or (unit.thing and (known or (not gap[0] and len(behind) < 2 and behind.isascii()))):
            continue
        if known and re.fullmatch(r"[A-Za-z](?:\s*\^.*)?", behind):
            continue
        try:
            return read_expression(text[: gap.start()].rstrip()), unit
        except UnreadableError:
            continue
    return None


def _based(text: str) -> Node | None:
    found = _BASED.fullmatch(text)
    if not found or not (re.search(r"\d", found[1]) or found[2] == "16"):
        return None
    return based(found[1], number(int(found[2])), text)


def _mixed(found: re.Match[str]) -> str:
    return f"{found[1]}\\frac{{{found[2]}}}{{{found[3]}}}" if int(found[2]) < int(found[3]) else found[0]


def read_short_unit(text: str) -> Value | None:
    """Read `2.5 m`: a number and a letter with a space between them that is the name of a unit."""
    found = re.fullmatch(r"([+-]?[\d.,]+(?:\\frac\{\d+\}\{\d+\})?)\s+([A-Za-z])(\s*\^\s*\{?[23]\}?)?", text)
    unit = read_unit(found[2] + (found[3] or "")) if found else None
    return Quantity(read_expression(found[1]), unit) if found and unit else None
