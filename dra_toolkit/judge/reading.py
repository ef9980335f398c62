r"""Read the text of an answer as a value: what kind of thing it is, and its parts.

`read` takes an answer in any notation. Each kind has one function below that returns its value or None; the first that
does wins. What nothing reads is no answer that can be compared.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable

from dra_toolkit.judge.amounts import read_compound, read_quantity, read_short_unit
from dra_toolkit.judge.brackets import enclosed, nested, outside, split
from dra_toolkit.judge.equality import equal, symbols
from dra_toolkit.judge.expressions import UnreadableError, read_expression
from dra_toolkit.judge.golds import without_label
from dra_toolkit.judge.notation import plain, unwrapped
from dra_toolkit.judge.regions import as_region, interval, read_region
from dra_toolkit.judge.tables import read_cases, read_matrix
from dra_toolkit.judge.values import Collection, Named, Quantity, Ratio, Relation, Value
from dra_toolkit.judge.words import read_clock, read_date, read_letter, read_phrase, read_word, read_words

MOST_ITEMS, DEEPEST = 500, 20
_SEPARATORS = (";", ",")
_WORD_SEPARATOR = re.compile(r",?\s*\b(?:or|and)\b\s*")
_TURNED = {">": "<", "\\ge": "\\le"}
_EMPTY = ("\\emptyset", "\\{\\}", "\\{ \\}")
_NAME = re.compile(
    r"(?:\\?[A-Za-z]+(?:_(?:\{[^{}]*\}|\w))?'?|\\(?:overline|angle|vec|hat|bar)\s*\{?\s*[A-Za-z]+\s*\}?|(?:m\s*)?\\angle\s*[A-Z]+"
    r"|\\?[A-Za-z]+(?:\^\{?-1\}?)?\s*\(\s*\\?[A-Za-z\d]+(?:\s*,\s*\\?[A-Za-z\d]+)*\s*\)"
    r"|\(\s*\\?[A-Za-z]\w*(?:_\{?\w+\}?)?(?:\s*,\s*\\?[A-Za-z](?:_\{?\w+\}?)?)*\s*\)|[A-Za-z]{2,}(?:\s+[A-Za-z]+){0,3})"
)


def read(text: str) -> Value | None:
    r"""Return the value of an answer in any notation, or None where it is none that is understood.

    >>> read(r"x \in \{1,2\}") == read("x = 1 or 2"), read("it cannot be said $")
    (False, None)
    """
    cleaned = plain(text)
    bare = unwrapped(without_label(cleaned))
    if not bare or nested(bare) > DEEPEST:
        return None
    try:
        return read_part(bare)
    except RecursionError:
        return None


@functools.lru_cache(maxsize=1024)  # several kinds may read the same part of a text
def read_part(text: str) -> Value | None:
    for kind in _KINDS:
        try:
            value = kind(text)
        except UnreadableError:
            continue
        if value is not None:
            return value
    return None


def _empty(text: str) -> Value | None:
    return Collection("set", ()) if text in _EMPTY or text.lower() in ("empty set", "the empty set") else None


def _list(text: str) -> Value | None:
    """Read values beside each other without brackets around them."""
    for separator in _SEPARATORS:
        parts = split(text, separator)
        if len(parts) > 1 and len(parts) <= MOST_ITEMS:
            break
    else:
        parts = [text]
    parts = [piece for part in parts for piece in outside(_WORD_SEPARATOR, part)]
    parts = [part.strip() for part in parts if part.strip()]
    if len(parts) < 2:
        return None
    if re.match(r"(?:between|from|either|neither|both)\b", text) or (
        _PHRASE.search(text) and not re.search(r"\d|\\", text)
    ):
        return None if not re.match(r"(?:either|both)\b", text) else _list(text.partition(" ")[2])
    items: list[Value] = []
    for part in parts:
        found = read_part(part)
        if found is None:
            return None
        items.append(found)
    return together(items)


_PHRASE = re.compile(r"(?:\w+\s+){3,}\w+")


def together(items: list[Value]) -> Value:
    """Return a list of values; a name that stands once before them all stands before the list."""
    named = [item for item in items if isinstance(item, Named)]
    bare_after_first = named and items[0] is named[0] and len(named) == 1
    if named and (len({item.name for item in named}) == 1) and (bare_after_first or len(named) == len(items)):
        values = [item.value if isinstance(item, Named) else item for item in items]
        return Named(named[0].name, Collection("list", _flat(values)))
    return Collection("list", _flat(items))


def _flat(items: list[Value]) -> tuple[Value, ...]:
    made: list[Value] = []
    for item in items:
        made += item.items if isinstance(item, Collection) and item.kind == "list" else [item]
    if len(made) > 1 and made[-1] is not None and isinstance(made[-1], Quantity) and made[-1].unit:
        made = [  # `3 and 5 cm`: the unit stands behind the last of them
            Quantity(q.node, made[-1].unit) if isinstance(q, Quantity) and q.unit is None else q for q in made
        ]
    return tuple(made)


def _bracketed(text: str) -> Value | None:
    r"""Read \{...\}, (a, b), [a, b), \langle a, b \rangle."""
    if text.startswith("\\{") and text.endswith("\\}") and enclosed(text):
        return _set(text[2:-2])
    if text.startswith("{") and text.endswith("}") and "," in text:
        return _set(text[1:-1])
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        text = f"({text[7:-7]})"
    if text[:1] not in "([" or text[-1:] not in ")]" or not enclosed(text):
        return None
    parts = split(text[1:-1], ",", bracketed=True)
    if len(parts) == 1:
        parts = split(text[1:-1], ";")
    if len(parts) < 2:
        return read_part(text[1:-1]) if text[0] == "(" else None
    items = [read_part(part.strip()) for part in parts]
    if any(item is None for item in items):
        return None
    brackets = text[0] + text[-1]
    if len(items) == 2 and brackets != "()":
        region = interval(items[0], items[1], brackets)
        if region:
            return region
    return Collection("tuple", tuple(items), brackets)


def _set(inner: str) -> Value | None:
    if not inner.strip():
        return Collection("set", ())
    items = [read_part(part.strip()) for part in split(inner, ",", bracketed=True)]
    return None if any(item is None for item in items) else Collection("set", _flat(items))


def _relation(text: str) -> Value | None:
    r"""Read what has `=`, `\in`, `<` or the like outside all brackets."""
    member = re.fullmatch(rf"({_NAME.pattern})\s*\\in\s*(.+)", text)
    if member:
        value = read_part(member[2].strip())
        return Named(_name(member[1]), as_region(value) or value) if value is not None else None
    if re.search(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])", text):
        return _order(text)
    sides = split(text, "=")
    if len(sides) < 2 or any(not side.strip() for side in sides):
        return None
    return _equation([side.strip() for side in sides])


def _equation(sides: list[str]) -> Value | None:
    left, right = sides[0], sides[-1]
    if len(sides) > 2:
        values = [read_part(side) for side in sides[1:]]
        from dra_toolkit.judge.comparing import same

        if any(value is None or not same(values[-1], value) for value in values):
            return None
    equation = None
    with contextlib.suppress(UnreadableError):
        equation = Relation(read_expression(left), "=", read_expression(right))
    if not _NAME.fullmatch(left) and re.fullmatch(r"\\?[A-Za-z](?:_\{?\w+\}?)?", right):
        left, right = right, left
    if equation and not symbols(equation.left) | symbols(equation.right):
        return read_part(right) if equal(equation.left, equation.right) else None
    if _NAME.fullmatch(left):
        value = read_part(right)
        return Named(_name(left), value, equation) if value is not None else None
    return equation


def _order(text: str) -> Value | None:
    parts = re.split(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>)", text)
    if any(not side.strip() for side in parts[::2]):
        return None
    sides = [read_expression(side) for side in parts[::2]]
    made = [
        Relation(right, _TURNED[sign], left) if sign in _TURNED else Relation(left, sign, right)
        for left, sign, right in zip(sides, parts[1::2], sides[1:], strict=False)
    ]
    return made[0] if len(made) == 1 else Collection("relations", tuple(made))


def _name(text: str) -> str:
    return re.sub(r"[\s{}]|\\text", "", text).removeprefix("m\\angle").lower() if len(text) > 2 else text.strip()


def _ratio(text: str) -> Value | None:
    parts = split(text, ":") if ":" in text else re.split(r"\s+to\s+", text) if re.search(r"\d\s+to\s+\S", text) else []
    if len(parts) < 2:
        return None
    labelled = re.fullmatch(r"[A-Za-z]{2,}(?:\s+[A-Za-z]+){0,2}", parts[0].strip())
    if labelled and len(parts) == 2:
        value = read_part(parts[1].strip())
        return Named(_name(parts[0]), value) if value is not None else None
    return Ratio(tuple(read_expression(part) for part in parts))


_KINDS: tuple[Callable[[str], Value | None], ...] = (
    read_date, read_letter, read_word, read_clock, _empty, read_compound, read_matrix, read_cases, read_region, _list,
    read_phrase, _bracketed, _relation, _ratio, read_short_unit, read_quantity, read_words,
)  # fmt: skip
