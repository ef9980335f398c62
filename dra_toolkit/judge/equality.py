"""Whether two expressions are equal: exactly where both are rational, else by their values to many digits.

Expressions with variables are compared at random real points, the same ones each time, where both are real (or, with
an imaginary unit in them, anywhere). Nothing is simplified, so no expression takes long; numbers too large to be
written raise TooLargeError, and are equal to what is written alike only.
"""

import math
import operator
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath

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
    if _mentions(left, "engine") or _mentions(right, "engine"):
        return _engine_equal(left, right)
    try:
        exact = [_exact(left), _exact(right)]
        if None not in exact:
            return exact[0] == exact[1]
        return _agree(left, right) if symbols(left) | symbols(right) else bool(_same(left, right, {}))
    except TooLargeError:
        return False


def is_zero_multiple(left: Node, right: Node, *, positive: bool = False) -> bool:
    """Return whether one expression is a constant, not zero, times the other; positive: a constant above zero."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return False
    with mpmath.workprec(_bits(left, right)):
        values = [(value(left, point), value(right, point)) for point in _points(names)]
        ratios = [a / b for a, b in values if not any(v is None or v == 0 or not _is_real(v) for v in (a, b))]
        return (
            len(ratios) >= 3
            and all(close(r, ratios[0], mpmath.mp.prec) for r in ratios)
            and (not positive or ratios[0].real > 0)
        )


def walk(node: Node) -> Iterator[Node]:
    """Yield an expression and all that is in it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += [part for part in found[1:] if isinstance(part, tuple)]


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the variables in an expression."""
    return frozenset(part[1] for part in walk(node) if part[0] == "sym")


def real(node: Node) -> Any:
    """Return the value of an expression without variables as a real number, or None."""
    if symbols(node) or _mentions(node, "engine"):
        return None
    with mpmath.workprec(_bits(node, node)):
        try:
            found = value(node, {})
        except TooLargeError:
            return None
        return found.real if found is not None and _is_real(found) else None


def close(left: Any, right: Any, bits: int = BITS) -> bool:
    """Return whether two computed numbers are equal to the digits that all computations here have."""
    if mpmath.isinf(left) or mpmath.isinf(right):
        return bool(left == right)
    scale = max(abs(left), abs(right))
    return bool(scale == 0 or abs(left - right) <= mpmath.ldexp(max(scale, mpmath.mpf(2) ** -(bits // 4)), 100 - bits))


def plus_minus(node: Node) -> list[Node]:
    r"""Return the values that an expression with `\pm` stands for: one with each sign, `\mp` going the other way."""
    if not (_mentions(node, "pm") or _mentions(node, "mp")):
        return [node]
    return [_signed(node, negated="mp"), _signed(node, negated="pm")]


def _signed(node: Any, negated: str) -> Any:
    if not isinstance(node, tuple):
        return node
    operation, *parts = (_signed(part, negated) for part in node)
    if operation in ("pm", "mp"):
        return ("add", parts[0], ("neg", parts[1]) if operation == negated else parts[1])
    return (operation, *parts)


def _mentions(node: Node, operation: str) -> bool:
    return any(part[0] == operation for part in walk(node))


def _agree(left: Node, right: Node) -> bool:
    points = _points(sorted(symbols(left) | symbols(right)))
    real_only = not any(part == ("const", "i") for node in (left, right) for part in walk(node))
    outcomes = [_same(left, right, point, real_only=real_only) for point in points]
    if False in outcomes or outcomes.count(True) >= 3:
        return False not in outcomes
    skipped = [point for point, outcome in zip(points, outcomes, strict=True) if outcome is None]
    return bool(skipped) and all(_same(left, right, point) for point in skipped)


def _same(left: Node, right: Node, point: Mapping[str, Fraction], *, real_only: bool = False) -> bool | None:
    """Return whether two expressions have one value at a point; None where that says nothing."""
    with mpmath.workprec(_bits(left, right)):
        values = value(left, point), value(right, point)
        if values[0] is None or values[1] is None:
            return None if point else False
        if real_only and not all(map(_is_real, values)):
            return None
        return close(*values, mpmath.mp.prec)


def _points(names: list[str]) -> list[dict[str, Fraction]]:
    """Return points that are the same in every process: small and large, of both signs, and whole numbers last."""

    def drawn(name: str, i: int) -> Fraction:
        size = random.Random(zlib.crc32(f"{name}/{i}".encode())).randrange(100, 999)
        return Fraction(size, 997) * (1, 3, 7)[i % 3] * (-1) ** i

    return [{name: drawn(name, i) for name in names} for i in range(POINTS)]


def _bits(left: Node, right: Node) -> int:
    return min(MOST_BITS, BITS + 6 * sum(1 for node in (left, right) for _ in walk(node)))


def _is_real(found: Any) -> bool:
    return bool(abs(found.imag) <= mpmath.ldexp(abs(found.real) + mpmath.mpf(2) ** -200, -200))


def _exact(node: Node) -> Fraction | None:
    """Return the value of a rational expression; None for any other."""
    operation = node[0]
    if operation in ("num", "based"):
        return Fraction(node[1])
    parts = [_exact(part) for part in node[1:]] if operation in _EXACT else [None]
    if None in parts:
        return None
    found = _EXACT[operation](*parts)
    return None if found is None or _size(Fraction(found)) > _EXACT_BITS else Fraction(found)


def _size(x: Fraction) -> int:
    return x.numerator.bit_length() + x.denominator.bit_length()


_EXACT: dict[str, Callable[..., Fraction | int | None]] = {
    "add": operator.add, "neg": operator.neg, "mul": operator.mul, "abs": abs, "floor": math.floor, "ceil": math.ceil,
    "div": lambda x, y: x / y if y else None,
    "pow": lambda x, y: x**y if y.denominator == 1 and (x or y > 0) and _size(x) * abs(y) <= _EXACT_BITS else None,
    "factorial": lambda x: math.factorial(int(x)) if x.denominator == 1 and 0 <= x <= 5000 else None,
    "binom": lambda x, y: math.comb(int(x), int(y)) if x.denominator == y.denominator == 1 and 0 <= y <= x <= 20_000
    else None,
}  # fmt: skip


def value(node: Node, point: Mapping[str, Fraction]) -> Any:
    """Return the value of an expression at a point, as a number of mpmath; None where it has none."""
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
    if operation in _OF_TWO:
        return _OF_TWO[operation](x, y)
    made = _OF_ANY_SIZE.get(operation)
    if made:
        return made(x)
    return mpmath.gamma(_modest(x) + 1) if operation == "factorial" else getattr(mpmath, operation)(_modest(x))


def _modest(x: Any, largest: int = LARGEST) -> Any:
    if abs(x) > largest:
        raise TooLargeError
    return x


def _power(x: Any, y: Any) -> Any:
    if x != 0 and not mpmath.isinf(x):
        _modest(y * (mpmath.log(abs(x)) + 1))
    if y.imag == 0 and x.real < 0 and x.imag == 0:
        root = 1 / y
        nearest = mpmath.nint(root)
        if y != mpmath.nint(y) and nearest % 2 == 1 and close(root, nearest):
            return -((-x) ** y)  # the real odd root
    return x**y


_OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "mul": operator.mul, "div": operator.truediv, "pow": _power,
    "binom": lambda x, y: mpmath.binomial(_modest(x, 10**7), _modest(y, 10**7)),
}  # fmt: skip
_OF_ANY_SIZE: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg, "abs": abs, "sqrt": mpmath.sqrt, "ln": mpmath.log, "log": mpmath.log10, "arcsin": mpmath.asin,
    "arccos": mpmath.acos, "arctan": mpmath.atan, "arccot": mpmath.acot,
}  # fmt: skip


def _engine_equal(left: Node, right: Node) -> bool:
    """Ask math-verify, where one of the two is written with sums, integrals or limits."""
    sides = (left, right)
    if not all(node[0] in ("engine", "num") for node in sides):
        return False
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig(boxed_match_priority=0)]
    texts = [
        node[1] if node[0] == "engine" else f"\\frac{{{node[1].numerator}}}{{{node[1].denominator}}}" for node in sides
    ]
    read = [parse(f"\\boxed{{{text}}}", config, parsing_timeout=_ENGINE_SECONDS) for text in texts]
    if any(all(isinstance(part, str) for part in parts) for parts in read):
        return False
    return bool(verify(read[0], read[1], timeout_seconds=_ENGINE_SECONDS))
