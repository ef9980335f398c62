"""What a unit is, and the known ones: of measurement, and of money."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dra_toolkit.judge.expressions import Node, number
from dra_toolkit.judge.notation import KNOWN

SCALES: dict[str, int] = KNOWN["scales"]
MONEY = frozenset(KNOWN["words"]["money"])


@dataclass(frozen=True)
class Unit:
    """A unit as a product of powers of dimensions, and its size in their basic units; things counted have a name alone."""

    dimensions: tuple[tuple[str, int], ...]
    factor: Node
    thing: bool = False
    per: Unit | str = ""  # what money is paid for, by its name if it is counted; it may be left out

    def agrees(self, other: Unit) -> bool:
        """Return whether amounts in both can be compared; ¥ may be either of two currencies."""
        if self.per and other.per and self.per != other.per:
            return isinstance(self.per, str) and isinstance(other.per, str) and "each" in (self.per, other.per)
        kinds = {self.dimensions, other.dimensions}
        return len(kinds) == 1 or any(kinds == {(("¥", 1),), ((name, 1),)} for name in ("yen", "yuan"))


def _known() -> dict[str, Unit]:
    made: dict[str, Unit] = {}
    for dimension, units in KNOWN["units"].items():
        kind, _, power = dimension.partition("^")
        for entry in units.split(";"):
            names, _, size = entry.strip().rpartition("=")
            unit = Unit(((kind, int(power or 1)),), number(Fraction(size)))
            for name in names.split():
                made[name] = unit
                if len(name) > 2:
                    made.setdefault(f"{name}s", unit)
    return made | dict.fromkeys(
        ("radian", "radians", "rad"), Unit((("angle", 1),), ("div", number(180), ("const", "pi")))
    )


KNOWN_UNITS = _known()
