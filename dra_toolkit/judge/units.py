r"""Units of measurement, money and counted things behind a number, and what one is worth in another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from dra_toolkit.judge.expressions import Node, number

PI_180: Node = ("div", ("const", "pi"), number(180))

_TABLE = {
    "length": "km kilometer kilometre=1000; m meter metre=1; dm decimeter=1/10; cm centimeter centimetre=1/100; "
    "mm millimeter millimetre=1/1000; μm um micrometer micron=1/1000000; nm nanometer=1/1000000000; "
    "in inch inches=127/5000; ft foot feet=381/1250; yd yard=1143/1250; mi mile=201168/125",
    "time": "s sec second=1; min minute=60; h hr hour=3600; day=86400; week=604800; ms millisecond=1/1000",
    "year": "yr year=12; month=1; decade=120; century centuries=1200",
    "mass": "kg kilogram=1000; g gram=1; mg milligram=1/1000; ton tonne=1000000; lb lbs pound=45359237/100000; "
    "oz ounce=45359237/1600000",
    "volume": "l L liter litre=1; ml mL milliliter millilitre=1/1000; gal gallon=473176473/125000000; "
    "qt quart=473176473/500000000; pt pint=473176473/1000000000; cup=473176473/2000000000",
    "dollar": "$ USD usd dollar buck 美元=1; ¢ cent=1/100; dime=1/10; nickel=1/20; quarter=1/4; penny pennies=1/100",
    "euro": "€ EUR eur euro=1",
    "pound sterling": "£ GBP=1; pence=1/100",
    "yen": "¥ yen JPY=1",
    "yuan": "元 块 yuan RMB CNY rmb=1; 角=1/10; 分=1/100",
    "rupee": "₹ rupee=1",
    "percent": "% percent=1",
    "celsius": "°C Celsius celsius=1",
    "fahrenheit": "°F Fahrenheit fahrenheit=1",
    "kelvin": "K kelvin Kelvin=1",
    "force": "N newton=1; kN=1000",
    "energy": "J joule=1; kJ=1000; cal calorie=4184/1000; kcal=4184; eV=1602176634/10000000000000000000000000000; "
    "kWh=3600000; erg=1/10000000",
    "power": "W watt=1; kW=1000; MW=1000000",
    "pressure": "Pa pascal=1; kPa=1000; MPa=1000000; atm=101325; bar=100000",
    "frequency": "Hz hertz=1; kHz=1000; MHz=1000000",
    "voltage": "V volt=1; mV=1/1000; kV=1000",
    "current": "A amp ampere=1; mA=1/1000",
    "resistance": "ohm=1",
    "amount": "mol mole=1; mmol=1/1000",
    "bit": "bit=1; byte=8; KB=8000; MB=8000000; GB=8000000000",
    "area": "hectare=10000; acre=40468564224/10000000; are=100",
}
SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
    "万": 10**4, "亿": 10**8,
}  # fmt: skip
_CHINESE = {
    "厘米": "cm", "毫米": "mm", "千米": "km", "公里": "km", "米": "m", "平方米": "m^2", "千克": "kg", "公斤": "kg",
    "克": "g", "小时": "h", "分钟": "min", "秒": "s", "天": "day", "升": "l", "毫升": "ml", "度": "degree",
    "平方厘米": "cm^2", "吨": "ton", "年": "yr",
}  # fmt: skip
_COUNTERS = re.compile(r"[个只本人条张件名辆棵次岁支朵箱页题种头]")
_DERIVED = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "fps": "ft/s", "sq": "square", "cu": "cubic", "cc": "cm^3"}
_SAYS_MORE = """
is are was were be not no or and but wrong right to of than from by with if for it this that then plus minus times over
half double twice squared cubed factorial divided approximately about roughly around nearly less more least most exactly
incorrect false unknown invalid impossible undefined guess negative positive answer mod modulo remainder each x y base
where when because so either maybe also
"""
_NO_THING = frozenset(_SAYS_MORE.split())
_NAME = re.compile(r"[A-Za-zμ$€£¥₹¢%元块角分]+")


@dataclass(frozen=True)
class Unit:
    """A unit as a product of powers of dimensions, and its size in their basic units; things counted have a name alone."""

    dimensions: tuple[tuple[str, int], ...]
    factor: Node
    thing: bool = False

    @property
    def only(self) -> str:
        """The one dimension that the unit has to the first power, or ""."""
        return self.dimensions[0][0] if len(self.dimensions) == 1 and self.dimensions[0][1] == 1 else ""


def _table() -> dict[str, tuple[str, Node]]:
    made: dict[str, tuple[str, Node]] = {}
    for dimension, units in _TABLE.items():
        for entry in units.split(";"):
            names, _, size = entry.strip().rpartition("=")
            for name in names.split():
                made[name] = (dimension, number(Fraction(size)))
                if len(name) > 2:
                    made.setdefault(f"{name}s", made[name])
    for names, factor in (("degree degrees deg ^\\circ", PI_180), ("radian radians rad", number(1))):
        made |= dict.fromkeys(names.split(), ("angle", factor))
    return made


KNOWN = _table()


def read_unit(text: str) -> Unit | None:
    r"""Return the unit that a text is, or None.

    >>> read_unit("square feet").dimensions, read_unit("km/h").dimensions, read_unit("is wrong")
    ((('length', 2),), (('length', 1), ('time', -1)), None)
    """
    text = " ".join(text.replace("{", " ").replace("}", " ").split()).strip(" .")
    text = (
        re.sub(r"\\frac\s*(\S+|\S+ ?\^ ?\d)\s+(\S+(?: ?\^ ?-?\d)?)$", r"\1/\2", text)
        .replace("^\\circ C", "°C")
        .replace("^\\circ F", "°F")
    )
    text = _CHINESE.get(text, text)
    if text in KNOWN and KNOWN[text][0] not in ("volume", "area"):
        return _simple(text)
    if _COUNTERS.fullmatch(text):
        return Unit(((text, 1),), number(1), thing=True)
    return _product(text) or _thing(text)


def _simple(name: str) -> Unit | None:
    found = KNOWN.get(name) or (KNOWN.get(name.lower()) if len(name) > 2 else None)
    return Unit(((found[0], 1),), found[1]) if found else None


def _product(text: str) -> Unit | None:
    """Read `km/h`, `m s^-1`, `square feet`, `miles per hour`, `cm ^2`."""
    for short, long in _DERIVED.items():
        text = re.sub(rf"\b{short}\b\.?", long, text)
    text = re.sub(r"\s*\bper\b\s*", "/", re.sub(r"\\cdot|\*|-(?=[a-z])", " ", text))
    powers: dict[str, int] = {}
    factor: Node = number(1)
    sign, squared = 1, 1
    rest = text.strip()
    while rest:
        if rest.startswith("/"):
            sign, rest = -1, rest[1:].strip()
        prefix = re.match(r"(square|cubic)d?\s+", rest)
        if prefix:
            squared, rest = 2 if prefix[1] == "square" else 3, rest[prefix.end() :]
        name = _NAME.match(rest)
        unit = _simple(name[0]) if name else None
        if name is None or unit is None:
            return None
        rest = rest[name.end() :].strip()
        power = re.match(r"(?:\^\s*)?(-?\s*\d)(?!\d)|squared|cubed", rest)
        exponent = sign * squared
        if power:
            exponent = sign * (int(power[1].replace(" ", "")) if power[1] else 2 if power[0] == "squared" else 3)
            rest = rest[power.end() :].strip()
        squared = 1
        dimension = unit.dimensions[0][0]
        powers[dimension] = powers.get(dimension, 0) + exponent
        factor = ("mul", factor, ("pow", unit.factor, number(exponent)))
    powers = _with_volume(powers)
    if powers.get("length", 0) == 3 and powers.pop("litre", 0):
        factor = ("mul", factor, number(Fraction(1, 1000)))
    made = tuple(sorted((dimension, power) for dimension, power in powers.items() if power))
    return Unit(made, factor) if made else None


def _with_volume(powers: dict[str, int]) -> dict[str, int]:
    """Count litres as cubic metres and acres as square metres."""
    powers = dict(powers)
    if powers.pop("area", 0) == 1:
        powers["length"] = powers.get("length", 0) + 2
    if powers.pop("volume", 0) == 1:
        powers["length"] = powers.get("length", 0) + 3
        powers["litre"] = 1
    return powers


def _thing(text: str) -> Unit | None:
    """Read the name of what is counted: one to three words that say nothing about the number."""
    words = text.lower().split()
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"[a-z][a-z-]+", word) for word in words):
        return None
    if _NO_THING & set(words) or set(words) & set(SCALES):
        return None
    return Unit(((" ".join([*words[:-1], _singular(words[-1])]), 1),), number(1), thing=True)


def _singular(word: str) -> str:
    for plural, single in (("people", "person"), ("children", "child"), ("men", "man")):
        if word.endswith(plural):
            return word.removesuffix(plural) + single
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("shes", "ches", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
