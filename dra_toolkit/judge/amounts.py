"""Read amounts: an expression with the unit or currency around it, and compound ones such as 3 hours 20 minutes."""

import re
from fractions import Fraction

from dra_toolkit.judge.equality import plus_minus
from dra_toolkit.judge.expressions import FUNCTIONS, Node, UnreadableError, based, number, read_expression
from dra_toolkit.judge.notation import known_pattern
from dra_toolkit.judge.reading_units import read_unit
from dra_toolkit.judge.units import MONEY, SCALES, Unit
from dra_toolkit.judge.values import Collection, Quantity, Value

_CURRENCY = re.compile(r"([-+]?)\s*(?:US|A|C)?([$€£¥₹₩]|CHF|Rs\.?|USD|EUR|GBP)\s*(?=[-\d.\\])")
_COMPOUND = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+\.?|\^\\circ|''|')\s*(?:,|and\b)?\s*")
_SCALE = re.compile(rf"(.*\d)\s*({'|'.join(SCALES)})s?(?![a-z])(?:\s+of\b)?\s*(.*)", re.IGNORECASE)
_GAP = known_pattern("gap")
_FUNCTION = re.compile(r"(?:sin|cos|tan|cot|sec|csc|log|ln)(?![a-z])")
_COUNTED = known_pattern("counted")
_BASED = re.compile(r"([0-9A-Za-z]+)\s*_\{?(\d+)\}?")


def read_compound(text: str) -> Value | None:
    """Read 3 hours 20 minutes, 25 degrees 30', 5 ft 10 in: units of one dimension, each smaller than the one before."""
    parts = list(_COMPOUND.finditer(text))
    if (len(parts) < 2 and "'" not in text) or "".join(part[0] for part in parts) != text:
        return None
    of_degrees = parts[0][2] == "^\\circ"
    marks = {"'": "arcmin", "''": "arcsec"} if of_degrees else {"'": "ft", "''": "in"}
    units = [read_unit(marks.get(part[2], part[2])) for part in parts]
    first = units[0]
    if first is None or any(u is None or u.thing or u.dimensions != first.dimensions for u in units):
        return None
    factors = [u.factor[1] for u in units if u and u.factor[0] == "num"]
    if len(factors) < len(parts) or factors != sorted(factors, reverse=True) or len(set(factors)) < len(factors):
        return None
    if len(parts) == 1:
        return Quantity(number(Fraction(parts[0][1])), first)
    total = sum(Fraction(part[1]) * factor for part, factor in zip(parts, factors, strict=True))
    alone = of_degrees or first.dimensions[0][0] in MONEY
    return Quantity(number(total), Unit(first.dimensions, number(1)), compound=not alone)


def read_quantity(text: str) -> Value | None:
    currency = _CURRENCY.match(text)
    unit = None
    if currency:
        text = currency[1] + text[currency.end() :]
        rated = re.fullmatch(r"(.*[\d}])\s*((?:/|per\b|an?\b|each\b)[a-z\s]*)", text)
        unit = read_unit(f"{currency[2]} {rated[2]}" if rated else currency[2])
        text = rated[1] if rated else text
    scaled = _SCALE.fullmatch(text)
    scale = SCALES[scaled[2].lower()] if scaled else 1
    node, found = _with_unit(f"{scaled[1]} {scaled[3]}".strip() if scaled else text)
    if node is None or (unit and found and unit != found):
        return None
    values = plus_minus(node if scale == 1 else ("mul", node, number(scale)))
    made = tuple(Quantity(value, unit or found) for value in values)
    return made[0] if len(made) == 1 else Collection("list", made)


def _with_unit(text: str) -> tuple[Node | None, Unit | None]:
    """Return the expression of a text and the unit behind it."""
    mixed = re.match(r"([+-]?\d+)\s+(\d+)/(\d+)(?=$|\s|\^|%)", text)
    if mixed and int(mixed[2]) < int(mixed[3]):
        text = f"{mixed[1]}\\frac{{{mixed[2]}}}{{{mixed[3]}}}{text[mixed.end() :]}"
    text = re.sub(r"(?<=\d)\s(?=\d{3}(?!\d))", "", text) if re.match(r"[+-]?\d{1,3}(?:\s\d{3})+(?!\d)", text) else text
    known = None if _FUNCTION.search(text) else _split_unit(text, known=True)
    if known:
        return known
    counted = _COUNTED.fullmatch(text)
    unit = read_unit(counted[2]) if counted and not {*FUNCTIONS, "pi"} & set(counted[2].split()) else None
    if counted and unit:
        return read_expression(counted[1]), unit
    based_number = _BASED.fullmatch(text)
    try:
        if based_number and (re.search(r"\d", based_number[1]) or based_number[2] == "16"):
            return based(based_number[1], number(int(based_number[2])), text), None
        return read_expression(text), None
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
