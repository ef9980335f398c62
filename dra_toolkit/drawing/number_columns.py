"""Numbers below each other: columns whose points stand in line, and the values of an axis."""

import math
from collections.abc import Iterable

from dra_toolkit.drawing.numbers import MINUS, power_of_ten, short

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def aligned(values: Iterable[float | None], *, plus: bool = False) -> list[str]:
    """Return numbers with the same decimals, so many that the largest shows three digits and none seems another.

    >>> aligned([1.2, 1.07, None]), aligned([0.0051, -0.0116], plus=True)
    (['1.20', '1.07', '–'], ['+0.0051', '−0.0116'])
    """
    found = list(values)
    decimals = _decimals([abs(value) for value in found if value is not None and math.isfinite(value)])
    return [_with(value, decimals, "+" if plus else "") for value in found]


def ticked(values: list[float]) -> list[str]:
    """Return the values of an axis with the decimals that tell them apart, as powers of ten where that is too long.

    >>> ticked([0.265, 0.2675]), ticked([0.0, 5e-07]), ticked([1e9, 2.5e9])
    (['0.2650', '0.2675'], ['0', '5·10⁻⁷'], ['1.0·10⁹', '2.5·10⁹'])
    """
    power = power_of_ten(max(map(abs, values), default=0.0))
    power = 0 if -4 < power < 6 else power
    found = [value / 10.0**power for value in values]
    near = max(map(abs, found), default=0.0) * 1e-9
    decimals = next(d for d in range(20) if all(abs(round(value, d) - value) <= near for value in found))
    times = f"·10{str(power).translate(_RAISED)}" if power else ""
    return [_with(value, decimals, "") + times if value else "0" for value in found]


def _decimals(known: list[float]) -> int:
    """Return the fewest decimals that give the largest three digits and the smallest at least two; whole ones none."""
    largest = max(known, default=0.0)
    if largest == 0 or all(value == int(value) for value in known):
        return 0
    smallest = min(value for value in known if value > 0)
    wanted = max(2 - power_of_ten(largest), 1 - power_of_ten(smallest) if smallest > largest / 1000 else 0, 0)
    exact = next((d for d in range(wanted) if all(abs(round(v, d) - v) < 1e-9 for v in known)), wanted)
    return min(exact, 7)


def _with(value: float | None, decimals: int, sign: str) -> str:
    if value is None or not math.isfinite(value):
        return short(value)
    written = f"{value:{sign},.{decimals}f}".replace("-", MINUS)
    return written if written.strip(f"+{MINUS}0.,") else written.lstrip(f"+{MINUS}")
