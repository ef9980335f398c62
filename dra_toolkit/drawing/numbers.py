"""Numbers as they are read: no exponents, signs that are never lost, and columns whose points stand below each other."""

import math
from collections.abc import Iterable

NOT_KNOWN, MINUS = "\u2013", "\u2212"
"""An en dash stands for a number that is not known; the sign of negative ones is as wide as a plus."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(value: float | None, digits: int = 3) -> str:
    """Return a number in few characters; a dash for one that is not known.

    >>> short(0.25), short(999.6), short(12500.0), short(0.00001234)
    ('0.25', '1,000', '12,500', '0.0000123')
    """
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value != 0 and (abs(value) >= 1e15 or abs(value) < 1e-9):
        return f"{value:.1e}".replace("-", MINUS)
    decimals = max(0, digits - 1 - _power(value)) if value else 0
    written = f"{value:,.{min(decimals, 12)}f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "0") else written.replace("-", MINUS)


def signed(value: float | None) -> str:
    """Return a number with its sign, to three digits.

    >>> signed(0.00512), signed(1.5), signed(0.0)
    ('+0.00512', '+1.5', '0')
    """
    return ("+" if value is not None and value > 0 else "") + short(value)


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
    power = _power(max(map(abs, values), default=0.0))
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
    wanted = max(2 - _power(largest), 1 - _power(smallest) if smallest > largest / 1000 else 0, 0)
    exact = next((d for d in range(wanted) if all(abs(round(v, d) - v) < 1e-9 for v in known)), wanted)
    return min(exact, 7)


def _with(value: float | None, decimals: int, sign: str) -> str:
    if value is None or not math.isfinite(value):
        return short(value)
    written = f"{value:{sign},.{decimals}f}".replace("-", MINUS)
    return written if written.strip(f"+{MINUS}0.,") else written.lstrip(f"+{MINUS}")


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share in percent; a dash where it is not known.

    >>> percent(0.875)
    '87.5 %'
    """
    return NOT_KNOWN if share is None or not math.isfinite(share) else f"{100 * share:,.{decimals}f} %"


def _power(value: float) -> int:
    """Return the power of ten of a number as it reads rounded to three digits: 0 for 1 to 9.994, 3 for 999.6."""
    return int(f"{abs(value):.2e}".partition("e")[2])
