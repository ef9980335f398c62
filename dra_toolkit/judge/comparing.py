"""Whether two values are the same answer. Every kind is compared with its own kind, and with few others by a rule."""

from __future__ import annotations

from typing import Any

from dra_toolkit.judge.equality import equal, is_zero_multiple, real, symbols
from dra_toolkit.judge.expressions import Node, number
from dra_toolkit.judge.regions import interval, same_region
from dra_toolkit.judge.values import (
    Cases,
    Choice,
    Clock,
    Collection,
    Equation,
    Matrix,
    Named,
    Quantity,
    Ratio,
    Region,
    Relation,
    Value,
    Words,
)


def same(gold: Value, answer: Value) -> bool:
    """Return whether an answer is the gold one. Not symmetric: a unit or name of the gold may be left out."""
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        return _same_choice(gold, answer)
    if isinstance(gold, Named) or isinstance(answer, Named):
        return _same_named(gold, answer)
    if isinstance(gold, Region) or isinstance(answer, Region):
        regions = _region(gold), _region(answer)
        return regions[0] is not None and regions[1] is not None and same_region(regions[0], regions[1])
    if isinstance(gold, Collection) or isinstance(answer, Collection):
        return _same_collection(gold, answer)
    if isinstance(gold, Ratio | Clock) and isinstance(answer, Ratio | Clock) and type(gold) is not type(answer):
        gold, answer = _as_ratio(gold), _as_ratio(answer)
    compare = _PAIRS.get(type(gold))
    return compare is not None and type(gold) is type(answer) and compare(gold, answer)


def _same_choice(gold: Value, answer: Value) -> bool:
    letters = _letter(gold), _letter(answer)
    if letters[0] and letters[1]:
        contents = [c.content for c in (gold, answer) if isinstance(c, Choice) and c.content is not None]
        return letters[0] == letters[1] and (len(contents) < 2 or same(contents[0], contents[1]))
    content = gold.content if isinstance(gold, Choice) else None
    return content is not None and same(content, answer)


def _letter(value: Value) -> str | None:
    if isinstance(value, Choice):
        return value.letter
    if (
        isinstance(value, Quantity)
        and value.unit is None
        and value.node[0] in ("sym", "const")
        and len(value.node[1]) == 1
    ):
        return str(value.node[1]).upper()
    return None


def _same_named(gold: Value, answer: Value) -> bool:
    if isinstance(gold, Named) and isinstance(answer, Named):
        if gold.name == answer.name:
            return same(gold.value, answer.value)
        return (
            gold.equation is not None and answer.equation is not None and _same_equation(gold.equation, answer.equation)
        )
    for one, other in ((gold, answer), (answer, gold)):
        if isinstance(one, Named) and isinstance(other, Equation):
            return one.equation is not None and _same_equation(one.equation, other)
    for one, other in ((gold, answer), (answer, gold)):
        if (
            isinstance(one, Named)
            and one.name.startswith("(")
            and isinstance(other, Collection)
            and other.kind == "list"
        ):
            return _same_assignments(one, other)
    one, other = (gold, answer) if isinstance(gold, Named) else (answer, gold)
    if isinstance(one.value, Words) and one.equation is not None:
        return False  # MR = MC says more than MC
    return same(one.value, other) if one is gold else same(other, one.value)


def _same_assignments(pair: Named, assigned: Collection) -> bool:
    """Compare `(x, y) = (1, 2)` with `x = 1, y = 2`."""
    names = pair.name.strip("()").split(",")
    values = pair.value.items if isinstance(pair.value, Collection) else ()
    given = {item.name: item.value for item in assigned.items if isinstance(item, Named)}
    if len(names) != len(values) or len(given) != len(assigned.items) or set(given) != set(names):
        return False
    return all(same(value, given[name]) for name, value in zip(names, values, strict=True))


def _region(value: Value) -> Region | None:
    """Return a value as a set of reals: a pair in round brackets may be an open interval."""
    if isinstance(value, Region):
        return value
    if isinstance(value, Collection) and value.kind == "tuple" and len(value.items) == 2:
        return interval(value.items[0], value.items[1], value.brackets)
    return None


def _same_collection(gold: Value, answer: Value) -> bool:
    if not (isinstance(gold, Collection) and isinstance(answer, Collection)):
        one, other = (gold, answer) if isinstance(gold, Collection) else (answer, gold)
        alone = one.kind == "set" and len(one.items) == 1 and isinstance(one.items[0], Quantity)
        return (
            alone
            and isinstance(other, Quantity)
            and (same(one.items[0], other) if one is gold else same(other, one.items[0]))
        )
    if gold.kind == "tuple" or answer.kind == "tuple":
        in_order = gold.kind == answer.kind or (gold.kind == "tuple" and answer.kind == "list")
        brackets = answer.kind != "tuple" or gold.brackets == answer.brackets
        return (
            in_order and brackets and len(gold.items) == len(answer.items) and all(map(same, gold.items, answer.items))
        )
    return (gold.kind == "relations") == (answer.kind == "relations") and _same_set(gold.items, answer.items)


def _same_set(gold: tuple[Value, ...], answer: tuple[Value, ...]) -> bool:
    """Compare in any order; several names of the gold must be there, for without them the values may be exchanged."""
    for items, others in ((gold, answer), (answer, gold)):
        several = len({item.name for item in items if isinstance(item, Named)}) > 1
        if several and not all(isinstance(item, Named) for item in others):
            return False
    if not gold or not answer:
        return not gold and not answer
    keys = _fast_keys(gold), _fast_keys(answer)
    if keys[0] is not None and keys[1] is not None:
        return keys[0] == keys[1]
    if len(gold) * len(answer) > 2500:
        return False
    return all(any(same(g, a) for a in answer) for g in gold) and all(any(same(g, a) for g in gold) for a in answer)


def _fast_keys(items: tuple[Value, ...]) -> set[Any] | None:
    if all(isinstance(item, Quantity) and item.unit is None and item.node[0] == "num" for item in items):
        return {item.node[1] for item in items}
    return None


def _same_quantity(gold: Quantity, answer: Quantity) -> bool:
    if gold.unit is None and answer.unit is None:
        letters = _letter(gold), _letter(answer)
        return equal(gold.node, answer.node) or (letters[0] is not None and letters[0] == letters[1])
    if gold.unit and answer.unit:
        return _same_measure(gold, answer)
    with_unit = gold if gold.unit else answer
    if with_unit.compound:
        return False
    return _same_without_unit(gold, answer, str(with_unit.unit.only if with_unit.unit else ""))


def _same_measure(gold: Quantity, answer: Quantity) -> bool:
    assert gold.unit
    assert answer.unit
    if gold.unit.dimensions != answer.unit.dimensions:
        return False
    return equal(("mul", gold.node, gold.unit.factor), ("mul", answer.node, answer.unit.factor))


def _same_without_unit(gold: Quantity, answer: Quantity, dimension: str) -> bool:
    """Compare where only one of the two has a unit: the bare number, an angle in radians, a percentage as a share."""
    if dimension == "percent":
        hundredth = ("div", gold.node if gold.unit else answer.node, number(100))
        if equal(hundredth, answer.node if gold.unit else gold.node):
            return True
        if answer.unit and _below_one(gold.node):
            return False
    if dimension == "angle":
        measured, bare = (gold, answer.node) if gold.unit else (answer, gold.node)
        if measured.unit and equal(("mul", measured.node, measured.unit.factor), bare):
            return True
    return equal(gold.node, answer.node)


def _below_one(node: Node) -> bool:
    found = real(node)
    return found is not None and 0 < abs(found) < 1


def _same_equation(gold: Equation, answer: Equation) -> bool:
    sides: list[Node] = [("add", e.left, ("neg", e.right)) for e in (gold, answer)]
    return symbols(sides[0]) == symbols(sides[1]) and is_zero_multiple(sides[0], sides[1])


def _same_relation(gold: Relation, answer: Relation) -> bool:
    if gold.closed != answer.closed:
        return False
    sides: list[Node] = [("add", r.right, ("neg", r.left)) for r in (gold, answer)]
    if symbols(sides[0]) != symbols(sides[1]):
        return False
    return is_zero_multiple(sides[0], sides[1], positive=gold.closed is not None)


def _as_ratio(value: Ratio | Clock) -> Value:
    """Return `6:10`, which may be a time, as a ratio."""
    if isinstance(value, Ratio) or value.half:
        return value
    return Ratio(tuple(number(int(part)) for part in value.written.split(":")))


def _same_ratio(gold: Ratio, answer: Ratio) -> bool:
    if len(gold.parts) != len(answer.parts):
        return False
    first = gold.parts[0], answer.parts[0]
    return all(
        equal(("mul", g, first[1]), ("mul", a, first[0])) and equal(g, number(0)) == equal(a, number(0))
        for g, a in zip(gold.parts, answer.parts, strict=True)
    )


def _same_matrix(gold: Matrix, answer: Matrix) -> bool:
    shapes = [[len(row) for row in matrix.rows] for matrix in (gold, answer)]
    return shapes[0] == shapes[1] and all(
        equal(g, a) for grow, arow in zip(gold.rows, answer.rows, strict=True) for g, a in zip(grow, arow, strict=True)
    )


def _same_cases(gold: Cases, answer: Cases) -> bool:
    if len(gold.branches) != len(answer.branches):
        return False
    return all(any(same(g[0], a[0]) and same(g[1], a[1]) for a in answer.branches) for g in gold.branches)


_PAIRS: dict[type, Any] = {
    Quantity: _same_quantity,
    Words: lambda gold, answer: gold.text == answer.text,
    Clock: lambda gold, answer: gold.seconds == answer.seconds,
    Ratio: _same_ratio,
    Equation: _same_equation,
    Relation: _same_relation,
    Matrix: _same_matrix,
    Cases: _same_cases,
}
