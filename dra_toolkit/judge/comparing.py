"""Whether two values are the same answer. Every kind is compared with its own kind, and with few others by a rule."""

import operator
import re
from collections.abc import Callable
from typing import Any

from dra_toolkit.judge import values as v
from dra_toolkit.judge.equality import equal, is_zero_multiple, real, symbols
from dra_toolkit.judge.expressions import Node, number, read_expression
from dra_toolkit.judge.regions import as_region, same_region

_PI_180: Node = ("div", ("const", "pi"), number(180))


def same(gold: v.Value, answer: v.Value) -> bool:
    """Return whether an answer is the gold one. Not symmetric: a unit or name of the gold may be left out."""
    for kind, compare in _WITH_OTHERS.items():
        if isinstance(gold, kind) or isinstance(answer, kind):
            return compare(gold, answer)
    if {type(gold), type(answer)} == {v.Ratio, v.Clock}:
        gold, answer = _as_ratio(gold), _as_ratio(answer)
    if {type(gold), type(answer)} == {v.Words, v.Quantity}:
        return _same_letters(*((gold, answer) if isinstance(gold, v.Words) else (answer, gold)))
    if isinstance(gold, v.Quantity) and isinstance(answer, v.Relation) and answer.sign == "=":
        return any(_says(gold, *sides) for sides in ((answer.left, answer.right), (answer.right, answer.left)))
    return type(gold) is type(answer) and bool(_WITH_ITS_OWN.get(type(gold), operator.eq)(gold, answer))


def _same_letters(word: v.Words, product: v.Quantity) -> bool:
    r"""Compare `xy`, which may be a word, with `x \cdot y`; most words have one of e, i, o, u, unknowns seldom."""
    is_short = re.fullmatch("[a-df-hj-np-tv-z]{2,3}", word.text) is not None and product.unit is None
    return is_short and equal(read_expression(" ".join(word.text)), product.node)


def _says(amount: v.Quantity, unknown: Node, said: Node) -> bool:
    """Return whether an equation tells what several unknowns make together: `m + n = 113` answers 113, `x + 1 = 5` not 5."""
    return _is_unknown(unknown) and len(symbols(unknown)) > 1 and not symbols(said) and same(amount, v.Quantity(said))


def _is_unknown(node: Node) -> bool:
    return node[0] == "sym" or (node[0] in ("add", "mul", "div", "neg", "abs") and all(map(_is_unknown, node[1:])))


def _same_choice(gold: v.Value, answer: v.Value) -> bool:
    letters = _letter(gold), _letter(answer)
    if letters[0] and letters[1]:
        contents = [c.content for c in (gold, answer) if isinstance(c, v.Choice) and c.content is not None]
        return letters[0] == letters[1] and (len(contents) < 2 or same(contents[0], contents[1]))
    if isinstance(gold, v.Choice):
        return gold.content is not None and same(gold.content, answer)
    return answer.content is not None and same(gold, answer.content)


def _letter(value: v.Value) -> str | None:
    if isinstance(value, v.Choice):
        return value.letter
    bare = isinstance(value, v.Quantity) and value.unit is None and value.node[0] in ("sym", "const")
    return str(value.node[1]).upper() if bare and len(value.node[1]) == 1 else None


def _same_named(gold: v.Value, answer: v.Value) -> bool:
    if isinstance(gold, v.Named) and isinstance(answer, v.Named):
        if gold.name == answer.name:
            return same(gold.value, answer.value)
        return bool(gold.equation and answer.equation and _same_relation(gold.equation, answer.equation))
    turned = not isinstance(gold, v.Named)
    named, other = (answer, gold) if turned else (gold, answer)
    if isinstance(other, v.Relation):
        return named.equation is not None and _same_relation(named.equation, other)
    if named.name.startswith("(") and isinstance(other, v.Collection) and other.kind == "list":
        return _same_assignments(named, other)
    if isinstance(named.value, v.Words) and named.equation is not None:
        return False  # MR = MC says more than MC
    return same(other, named.value) if turned else same(named.value, other)


def _same_assignments(pair: v.Named, assigned: v.Collection) -> bool:
    """Compare `(x, y) = (1, 2)` with `x = 1, y = 2`."""
    names = pair.name.strip("()").split(",")
    values = pair.value.items if isinstance(pair.value, v.Collection) else ()
    given = {item.name: item.value for item in assigned.items if isinstance(item, v.Named)}
    if len(names) != len(values) or len(given) != len(assigned.items) or set(given) != set(names):
        return False
    return all(same(value, given[name]) for name, value in zip(names, values, strict=True))


def _same_regions(gold: v.Value, answer: v.Value) -> bool:
    some, others = as_region(gold), as_region(answer)
    return some is not None and others is not None and same_region(some, others)


def _same_collection(gold: v.Value, answer: v.Value) -> bool:
    if not (isinstance(gold, v.Collection) and isinstance(answer, v.Collection)):
        turned = not isinstance(gold, v.Collection)
        items, other = (answer, gold) if turned else (gold, answer)
        if items.kind != "set" or len(items.items) != 1 or {type(items.items[0]), type(other)} != {v.Quantity}:
            return False
        return same(other, items.items[0]) if turned else same(items.items[0], other)
    if gold.kind == "tuple" or answer.kind == "tuple":
        in_order = gold.kind == answer.kind or (gold.kind == "tuple" and answer.kind == "list")
        brackets = answer.kind != "tuple" or gold.brackets == answer.brackets
        alike = in_order and brackets and len(gold.items) == len(answer.items)
        return alike and all(map(same, gold.items, answer.items))
    return (gold.kind == "relations") == (answer.kind == "relations") and _same_set(gold.items, answer.items)


def _same_set(gold: tuple[v.Value, ...], answer: tuple[v.Value, ...]) -> bool:
    """Compare in any order; several names of the gold must be there, for without them the values may be exchanged."""
    for items, others in ((gold, answer), (answer, gold)):
        several = len({item.name for item in items if isinstance(item, v.Named)}) > 1
        if several and not all(isinstance(item, v.Named) for item in others):
            return False
    if not gold or not answer:
        return not gold and not answer
    if all(map(_is_number, (*gold, *answer))):
        return {item.node[1] for item in gold} == {item.node[1] for item in answer}
    if len(gold) * len(answer) > 2500:
        return False
    return all(any(same(g, a) for a in answer) for g in gold) and all(any(same(g, a) for g in gold) for a in answer)


def _is_number(item: v.Value) -> bool:
    return isinstance(item, v.Quantity) and item.unit is None and item.node[0] == "num"


def _same_quantity(gold: v.Quantity, answer: v.Quantity) -> bool:
    """Compare amounts; a unit on one side alone may be left out, an angle be in radians, a percentage be a share."""
    if gold.unit and answer.unit:
        return gold.unit.agrees(answer.unit) and equal(gold.size, answer.size)
    measured, bare = (gold, answer.node) if gold.unit else (answer, gold.node)
    if measured.unit is None:
        letters = _letter(gold), _letter(answer)
        return equal(gold.node, answer.node) or (letters[0] is not None and letters[0] == letters[1])
    if measured.compound:
        return False
    if measured.unit.dimensions == (("percent", 1),):
        if equal(("div", measured.node, number(100)), bare):
            return True
        share = None if gold.unit else real(gold.node)
        if share is not None and 0 < abs(share) < 1:
            return False
    if measured.unit.dimensions == (("angle", 1),) and equal(("mul", measured.size, _PI_180), bare):
        return True
    return equal(gold.node, answer.node)


def _same_relation(gold: v.Relation, answer: v.Relation) -> bool:
    sides: list[Node] = [("add", r.right, ("neg", r.left)) for r in (gold, answer)]
    if gold.sign != answer.sign or symbols(sides[0]) != symbols(sides[1]):
        return False
    return is_zero_multiple(sides[0], sides[1], positive=gold.sign in ("<", "\\le"))


def _as_ratio(value: v.Ratio | v.Clock) -> v.Value:
    """Return `6:10`, which may be a time, as a ratio."""
    if isinstance(value, v.Ratio) or value.half:
        return value
    return v.Ratio(tuple(number(int(part)) for part in value.written.split(":")))


def _same_ratio(gold: v.Ratio, answer: v.Ratio) -> bool:
    first = gold.parts[0], answer.parts[0]
    return len(gold.parts) == len(answer.parts) and all(
        equal(("mul", g, first[1]), ("mul", a, first[0])) and equal(g, number(0)) == equal(a, number(0))
        for g, a in zip(gold.parts, answer.parts, strict=True)
    )


def _same_matrix(gold: v.Matrix, answer: v.Matrix) -> bool:
    shapes = [[len(row) for row in matrix.rows] for matrix in (gold, answer)]
    return shapes[0] == shapes[1] and all(all(map(equal, *rows)) for rows in zip(gold.rows, answer.rows, strict=True))


def _same_cases(gold: v.Cases, answer: v.Cases) -> bool:
    return len(gold.branches) == len(answer.branches) and all(
        any(same(g[0], a[0]) and same(g[1], a[1]) for a in answer.branches) for g in gold.branches
    )


_WITH_OTHERS: dict[type, Callable[[Any, Any], bool]] = {
    v.Choice: _same_choice, v.Named: _same_named, v.Region: _same_regions, v.Collection: _same_collection,
}  # fmt: skip
_WITH_ITS_OWN: dict[type, Callable[[Any, Any], bool]] = {
    v.Quantity: _same_quantity, v.Ratio: _same_ratio, v.Relation: _same_relation, v.Matrix: _same_matrix,
    v.Cases: _same_cases,
}  # fmt: skip
