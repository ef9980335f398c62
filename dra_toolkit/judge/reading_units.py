"""Which unit a text is: a known one, a product of powers of them, or the name of what is counted."""

import re
from collections import Counter
from dataclasses import replace

from dra_toolkit.judge.expressions import Node, number
from dra_toolkit.judge.notation import KNOWN, known_pattern
from dra_toolkit.judge.units import KNOWN_UNITS, MONEY, SCALES, Unit

_PARTS_OF = re.compile(r"^(?!hal|third|quarter|\w+(?:th|ths) )([a-z]{3,}) of (?:the )?[a-z]+(?: [a-z]+)?$")
_COUNTERS = re.compile(f"[{KNOWN['words']['counters']}][\u4e00-\u9fff]{{0,4}}")
_NO_THING = frozenset(KNOWN["words"]["no_thing"].split())
_FACTOR = known_pattern("factor")
_POWERS = {"square": 2, "squared": 2, "cubic": 3, "cubed": 3}


def read_unit(text: str) -> Unit | None:
    r"""Return the unit that a text is, or None.

    >>> read_unit("square feet").dimensions, read_unit("km/h").dimensions, read_unit("is wrong")
    ((('length', 2),), (('length', 1), ('time', -1)), None)
    """
    text = " ".join(text.replace("{", " ").replace("}", " ").split()).strip(" .")
    text = re.sub(r"\\frac\s*(\S+|\S+ ?\^ ?\d)\s+(\S+(?: ?\^ ?-?\d)?)$", r"\1/\2", text)
    text = _PARTS_OF.sub(r"\1", re.sub(r"\^\\circ ([CF])", r"°\1", text).removesuffix(" old"))
    text = KNOWN["chinese"].get(text, text)
    money, _, bought = re.sub(r"\s*/\s*(?=[a-z\u4e00-\u9fff])|\s+(?:an?|each)\b\s*", " per ", text).partition(" per ")
    paid = KNOWN_UNITS.get(money)
    if paid and text != money and paid.dimensions[0][0] in MONEY:
        of = read_unit(bought)
        return replace(paid, per=of if of and not of.thing else bought.strip().removesuffix("s") or "each")
    if _COUNTERS.fullmatch(text):
        return Unit(((text, 1),), number(1), thing=True)
    return KNOWN_UNITS.get(text) or _product(text) or _thing(text)


def _product(text: str) -> Unit | None:
    """Read `km/h`, `m s^-1`, `square feet`, `miles per hour`, `cm ^2`."""
    for short, long in KNOWN["derived"].items():
        text = re.sub(rf"\b{short}\b\.?", long, text)
    text = re.sub(r"\s*\bper\b\s*", "/", re.sub(r"\\cdot|\*|-(?=[a-z])", " ", text))
    powers: Counter[str] = Counter()
    factor: Node = number(1)
    sign, rest = 1, text.strip()
    while rest:
        if rest.startswith("/"):
            sign, rest = -1, rest[1:].strip()
        found = _FACTOR.match(rest)
        name = found["name"] if found else ""
        unit = KNOWN_UNITS.get(name) or (KNOWN_UNITS.get(name.lower()) if len(name) > 2 else None)
        if found is None or unit is None:
            return None
        rest = rest[found.end() :].strip()
        said = found["digits"] or _POWERS.get(found["behind"] or found["before"]) or 1
        exponent = sign * int(str(said).replace(" ", ""))
        powers.update({dimension: power * exponent for dimension, power in unit.dimensions})
        factor = ("mul", factor, ("pow", unit.factor, number(exponent)))
    made = tuple(sorted((dimension, power) for dimension, power in powers.items() if power))
    return Unit(made, factor) if made else None


def _thing(text: str) -> Unit | None:
    """Read the name of what is counted: one to three words that say nothing about the number."""
    words = text.lower().split()
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"[a-z][a-z-]+", word) for word in words):
        return None
    if (_NO_THING | set(SCALES)) & set(words):
        return None
    for plural, singular in KNOWN["words"]["plurals"]:
        if re.search(plural, words[-1]):
            words[-1] = re.sub(plural, singular, words[-1])
            break
    return Unit(((" ".join(words), 1),), number(1), thing=True)
