"""Whether two expressions are equal: exactly where both are rational, else by their values to many digits.

Expressions with variables are compared at random real points, the same ones each time, where both are real (or, with
an imaginary unit in them, anywhere). Nothing is simplified, so no expression takes long; numbers too large to be
written raise TooLargeError, and are equal to what is written alike only.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dra_toolkit.judge.expressions import Node

BITS, MOST_BITS, LARGEST = 320, 20_000, 1 << 62
_EXACT_BITS = 100_000
_ENGINE_SECONDS = 3600  # no alarm: the worker's own bound on processor time comes first
POINTS = 9


class TooLargeError(ArithmeticError):
    """A value is beyond what is worth computing."""


def equal(left: Node, right: Node) -> bool:
    """Return whether two expressions are equal."""
    if left == right:
        return True
    if "engine" in (left[0], right[0]) or _mentions(left, "engine") or _mentions(right, "engine"):
        return _engine_equal(left, right)
    try:
        exact = _exact(left), _exact(right)
        if exact[0] is not None and exact[1] is not None:
            return exact[0] == exact[1]
        return _agree(left, right) if symbols(left) | symbols(right) else bool(_same(left, right, {}))
    except TooLargeError:
        return False


def is_zero_multiple(left: Node, right: Node, *, positive: bool = False) -> bool:
    """Return whether one expression is a constant, not zero, times the other; positive: a constant above zero."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return False
    ratios: list[Any] = []
    with _precision(left, right) as bits:
        for point in _points(names):
            values = value(left, point), value(right, point)
            if any(v is None or v == 0 or not _is_real(v) for v in values):
                continue
            ratios.append(values[0] / values[1])
        return (
            len(ratios) >= 3
            and all(_close(r, ratios[0], bits) for r in ratios)
            and (not positive or ratios[0].real > 0)
        )


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the variables in an expression."""
    if node[0] == "sym":
        return frozenset([node[1]])
    return frozenset().union(*(symbols(part) for part in node[1:] if isinstance(part, tuple)))


def real(node: Node) -> Any:
    """Return the value of an expression without variables as a real number, or None."""
    if symbols(node) or _mentions(node, "engine"):
        return None
    with _precision(node, node):
        try:
            found = value(node, {})
        except TooLargeError:
            return None
        return found.real if found is not None and _is_real(found) else None


def close(left: Any, right: Any) -> bool:
    """Return whether two computed real numbers are equal to the digits that all computations here have."""
    return _close(left, right, BITS)


def plus_minus(node: Node) -> list[Node]:
    r"""Return the values that an expression with `\pm` stands for: one with each sign, `\mp` going the other way."""
    if not (_mentions(node, "pm") or _mentions(node, "mp")):
        return [node]
    return [_signed(node, "add", "sub"), _signed(node, "sub", "add")]


def _signed(node: Any, plus: str, minus: str) -> Any:
    if not isinstance(node, tuple):
        return node
    parts = tuple(_signed(part, plus, minus) for part in node)
    if node[0] in ("pm", "mp"):
        operation = plus if node[0] == "pm" else minus
        return ("add", parts[1], ("neg", parts[2]) if operation == "sub" else parts[2])
    return parts


def _mentions(node: Node, operation: str) -> bool:
    return node[0] == operation or any(_mentions(part, operation) for part in node[1:] if isinstance(part, tuple))


def _agree(left: Node, right: Node) -> bool:
    names = sorted(symbols(left) | symbols(right))
    compared, skipped = 0, []
    imaginary = any(_mentions_constant(node, "i") for node in (left, right))
    for point in _points(names):
        outcome = _same(left, right, point, real_only=not imaginary)
        if outcome is False:
            return False
        compared += outcome is True
        if outcome is None:
            skipped.append(point)
    if compared >= 3:
        return True
    return bool(skipped) and all(_same(left, right, point) for point in skipped)


def _same(left: Node, right: Node, point: Mapping[str, Fraction], *, real_only: bool = False) -> bool | None:
    """Return whether two expressions have one value at a point; None where that says nothing."""
    with _precision(left, right) as bits:
        values = value(left, point), value(right, point)
        if values[0] is None or values[1] is None:
            return None if point else False
        if real_only and not all(map(_is_real, values)):
            return None
        return _close(*values, bits)


def _mentions_constant(node: Node, name: str) -> bool:
    return node == ("const", name) or any(
        _mentions_constant(part, name) for part in node[1:] if isinstance(part, tuple)
    )


def _points(names: list[str]) -> list[dict[str, Fraction]]:
    """Return points that are the same in every process: small and large, of both signs, and whole numbers last."""
    points = []
    for i in range(POINTS):
        point = {}
        for name in names:
            draw = random.Random(zlib.crc32(f"{name}/{i}".encode()))
            size = Fraction(draw.randrange(100, 999), 997) * (1, 3, 7)[i % 3]
            point[name] = size if i % 2 == 0 else -size
        points.append(point)
    return points


def _nodes(node: Node) -> int:
    return 1 + sum(_nodes(part) for part in node[1:] if isinstance(part, tuple))


def _precision(left: Node, right: Node) -> Any:
    from contextlib import contextmanager

    import mpmath

    @contextmanager
    def within() -> Any:
        bits = min(MOST_BITS, BITS + 6 * (_nodes(left) + _nodes(right)))
        with mpmath.workprec(bits):
            yield bits

    return within()


def _is_real(found: Any) -> bool:
    import mpmath

    return bool(abs(mpmath.im(found)) <= mpmath.ldexp(abs(mpmath.re(found)) + mpmath.mpf(2) ** -200, -200))


def _close(left: Any, right: Any, bits: int) -> bool:
    import mpmath

    if mpmath.isinf(left) or mpmath.isinf(right):
        return bool(left == right)
    scale = max(abs(left), abs(right))
    return bool(scale == 0 or abs(left - right) <= mpmath.ldexp(max(scale, mpmath.mpf(2) ** -(bits // 4)), 100 - bits))


def _exact(node: Node) -> Fraction | None:
    """Return the value of a rational expression; None for any other."""
    operation = node[0]
    if operation in ("num", "based"):
        return Fraction(node[1])
    if operation in ("sym", "const", "pm", "mp"):
        return None
    parts = [_exact(part) for part in node[1:]]
    if any(part is None for part in parts):
        return None
    return _exact_of(operation, *parts)  # type: ignore[arg-type]


def _exact_of(operation: str, x: Fraction, y: Fraction = Fraction(0)) -> Fraction | None:
    if operation == "add":
        return _bounded(x + y)
    if operation == "neg":
        return -x
    if operation == "mul":
        return _bounded(x * y)
    if operation == "div":
        return _bounded(x / y) if y else None
    if operation == "abs":
        return abs(x)
    if operation in ("floor", "ceil"):
        return Fraction(math.floor(x) if operation == "floor" else math.ceil(x))
    if operation == "pow" and y.denominator == 1 and (x or y > 0):
        size = max(x.numerator.bit_length(), x.denominator.bit_length()) * abs(y.numerator)
        return x**y.numerator if size <= _EXACT_BITS else None
    if operation == "factorial" and x.denominator == 1 and 0 <= x <= 5000:
        return Fraction(math.factorial(x.numerator))
    if operation == "binom" and x.denominator == y.denominator == 1 and 0 <= y <= x <= 20_000:
        return Fraction(math.comb(x.numerator, y.numerator))
    return None


def _bounded(x: Fraction) -> Fraction | None:
    return x if x.numerator.bit_length() + x.denominator.bit_length() <= _EXACT_BITS else None


def value(node: Node, point: Mapping[str, Fraction]) -> Any:
    """Return the value of an expression at a point, as a number of mpmath; None where it has none."""
    import mpmath

    operation = node[0]
    if operation in ("num", "based"):
        number = Fraction(node[1])
        return mpmath.mpf(number.numerator) / number.denominator
    if operation in ("pm", "mp", "engine"):
        return None
    if operation == "sym":
        return mpmath.mpf(point[node[1]].numerator) / point[node[1]].denominator
    if operation == "const":
        return {"pi": mpmath.pi, "e": mpmath.e, "i": mpmath.mpc(0, 1), "inf": mpmath.inf}[node[1]] + mpmath.mpf(0)
    parts = [value(part, point) for part in node[1:]]
    if any(part is None for part in parts):
        return None
    try:
        found = _apply(operation, *parts)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    return None if mpmath.isnan(found) else found


def _apply(operation: str, x: Any, y: Any = None) -> Any:
    import mpmath

    simple = {
        "add": lambda: x + y, "neg": lambda: -x, "mul": lambda: x * y, "div": lambda: x / y, "abs": lambda: abs(x),
        "floor": lambda: mpmath.floor(_modest(x)), "ceil": lambda: mpmath.ceil(_modest(x)), "pow": lambda: _power(x, y),
        "sqrt": lambda: mpmath.sqrt(x), "ln": lambda: mpmath.log(x), "log": lambda: mpmath.log(x, 10),
        "exp": lambda: mpmath.exp(_modest(x)), "factorial": lambda: mpmath.gamma(_modest(x) + 1),
        "binom": lambda: mpmath.binomial(_modest(x, 10**7), _modest(y, 10**7)),
        "arcsin": lambda: mpmath.asin(x), "arccos": lambda: mpmath.acos(x), "arctan": lambda: mpmath.atan(x),
        "arccot": lambda: mpmath.acot(x),
    }  # fmt: skip
    made = simple.get(operation)
    return made() if made else getattr(mpmath, operation)(_modest(x))


def _modest(x: Any, largest: int = LARGEST) -> Any:
    if abs(x) > largest:
        raise TooLargeError
    return x


def _power(x: Any, y: Any) -> Any:
    import mpmath

    if x != 0 and not mpmath.isinf(x):
        _modest(y * (mpmath.log(abs(x)) + 1))
    if mpmath.im(y) == 0 and mpmath.re(x) < 0 and mpmath.im(x) == 0:
        root = 1 / y
        nearest = mpmath.nint(root)
        if y != mpmath.nint(y) and nearest % 2 == 1 and _close(root, nearest, BITS):
            return -((-x) ** y)  # the real odd root
    return x**y


def _engine_equal(left: Node, right: Node) -> bool:
    """Ask math-verify, where one of the two is written with sums, integrals or limits."""
    if not all(node[0] in ("engine", "num") for node in (left, right)):
        return False
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig(boxed_match_priority=0)]
    texts = [
        node[1] if node[0] == "engine" else f"\\frac{{{node[1].numerator}}}{{{node[1].denominator}}}"
        for node in (left, right)
    ]
    read = [parse(f"\\boxed{{{text}}}", config, parsing_timeout=_ENGINE_SECONDS) for text in texts]
    if any(all(isinstance(part, str) for part in parts) for parts in read):
        return False
    return bool(verify(read[0], read[1], timeout_seconds=_ENGINE_SECONDS))
