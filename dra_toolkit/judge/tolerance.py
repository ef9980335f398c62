"""A tolerance for golds that were computed: decimals that are rounded where they were written."""

from __future__ import annotations

import re
from fractions import Fraction

from dra_toolkit.judge.equality import real
from dra_toolkit.judge.judging import read_gold
from dra_toolkit.judge.notation import plain
from dra_toolkit.judge.reading import read
from dra_toolkit.judge.values import Named, Quantity

TOLERANCE = Fraction(1, 100)
_DECIMAL = re.compile(r"[-+]?\d*(?:,\d{3})*\.(\d+)(?:[eE][-+]?\d+)?(?![\d.])|[-+]?\d+[eE][-+]?\d+")


def near(gold: str, answer: str) -> bool:
    """Return whether a final answer is within 1 % of a decimal gold, or within half a unit of its last digit.

    A gold without a decimal point or an exponent is exact, and nothing is near it. Units must agree, or one be left out.

    >>> near("3.83e35", r"3.8 \\times 10^{35}"), near("4", "4.03")
    (True, False)
    """
    stated, expected = read_gold(gold)
    written = _DECIMAL.search(plain(stated or ""))
    found = read(answer)
    values = [v.value if isinstance(v, Named) else v for v in (expected, found)]
    numbers = [value for value in values if isinstance(value, Quantity)]
    if not written or len(numbers) < 2:
        return False
    units = [n.unit for n in numbers if n.unit]
    if len(units) == 2 and units[0].dimensions != units[1].dimensions:
        return False
    sizes = [real(("mul", n.node, n.unit.factor) if n.unit and len(units) == 2 else n.node) for n in numbers]
    scale = real(numbers[0].node)
    if sizes[0] is None or sizes[1] is None or not scale:
        return False
    mantissa = abs(float(re.split("[eE]", written[0].replace(",", ""))[0])) or 1.0
    half_digit = abs(sizes[0]) * 0.5 * 10.0 ** -len(written[1] or "") / mantissa if written[1] else 0
    return bool(
        abs(sizes[0] - sizes[1]) <= max(abs(sizes[0]) * TOLERANCE.numerator / TOLERANCE.denominator, half_digit)
    )
