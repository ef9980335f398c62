"""One number as it is read: few characters, no exponent where it can be without, a sign that is never lost."""

import math

NOT_KNOWN, MINUS = "\u2013", "\u2212"
"""An en dash stands for a number that is not known; the sign of negative ones is as wide as a plus."""


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
    decimals = max(0, digits - 1 - power_of_ten(value)) if value else 0
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


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share in percent; a dash where it is not known.

    >>> percent(0.875)
    '87.5 %'
    """
    return NOT_KNOWN if share is None or not math.isfinite(share) else f"{100 * share:,.{decimals}f} %"


def power_of_ten(value: float) -> int:
    """Return the power of ten of a number as it reads rounded to three digits: 0 for 1 to 9.994, 3 for 999.6."""
    return int(f"{abs(value):.2e}".partition("e")[2])
