r"""Read the text of an answer as a value: what kind of thing it is, and its parts.

`read` takes an answer in any notation. Each kind has one function below that returns its value or None; the first that
does wins. What nothing reads is no answer that can be compared.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from fractions import Fraction

from dra_toolkit.judge.equality import equal, plus_minus, symbols
from dra_toolkit.judge.expressions import FUNCTIONS, Node, UnreadableError, based, number, read_expression
from dra_toolkit.judge.golds import without_label
from dra_toolkit.judge.notation import closing_brace, plain, unwrapped
from dra_toolkit.judge.regions import everything, interval, read_region
from dra_toolkit.judge.splitting import nested, outside, split
from dra_toolkit.judge.tables import read_cases, read_matrix
from dra_toolkit.judge.units import PI_180, SCALES, Unit, read_unit
from dra_toolkit.judge.values import Choice, Clock, Collection, Equation, Named, Quantity, Ratio, Relation, Value, Words

MOST_ITEMS, DEEPEST = 500, 20
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:([ap])\.?\s?m\.?|(noon|midnight)|h|o'clock)?", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_CHOICE = re.compile(r"(?:\(([A-Za-z])\)|([A-J])[.:)])\s*(\S.*)")
_PREFIX = re.compile(r"(?:option|choice|letter|选项?)\s*(?=\(?[A-Za-z]\)?[.:]?$)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:T.*)?|\d{1,2}/\d{1,2}/\d{4}")
_CURRENCY = re.compile(r"([-+]?)\s*(?:US|A|C)?([$€£¥₹])\s*(?=[\d.\\])")
_STATES = "is are was were has have had there he she they we it so thus therefore hence since because gives get if"
_VERBS = frozenset(_STATES.split())
_ARTICLES = re.compile(r"^(?:an?|the)\s+")
_COMPOUND = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+\.?|\^\\circ|''|')\s*(?:,|and\b)?\s*")
_SCALE = re.compile(rf"(.*\d)\s*({'|'.join(SCALES)})s?(?![a-z])(?:\s+of\b)?\s*(.*)", re.IGNORECASE)
_SEPARATORS = (";", ",")
_WORD_SEPARATOR = re.compile(r",?\s*\b(?:or|and)\b\s*")
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
        return _read(bare)
    except RecursionError:
        return None


@functools.lru_cache(maxsize=1024)  # several kinds may read the same part of a text
def _read(text: str) -> Value | None:
    for kind in _KINDS:
        try:
            value = kind(text)
        except UnreadableError:
            continue
        if value is not None:
            return value
    return None


def _letter(text: str) -> Value | None:
    text = _PREFIX.sub("", text)
    single = _LETTER.fullmatch(text)
    if single:
        bare = len(text.strip(".:")) == 1
        return Quantity(("const" if single[1] in "ei" else "sym", single[1])) if bare else Choice(single[1].upper())
    choice = _CHOICE.fullmatch(text)
    if choice and not re.match(
        r"[=<>+*/^(\d-]|\\(?:cdot|times|le|ge|in|ne|cup|pm)", choice[3] if choice[1] and choice[1].islower() else "."
    ):
        return Choice((choice[1] or choice[2]).upper(), _read(unwrapped(choice[3])))
    return None


def _clock(text: str) -> Value | None:
    found = _CLOCK.fullmatch(text)
    if not found or int(found[1]) > 24 or int(found[2]) > 59:
        return None
    hour, half = int(found[1]), (found[4] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    seconds = hour * 3600 + int(found[2]) * 60 + int(found[3] or 0)
    return Clock(seconds, bool(half or found[5]), f"{found[1]}:{found[2]}")


def _date(text: str) -> Value | None:
    return Words(text.lower()) if _DATE.fullmatch(text) else None


def _empty(text: str) -> Value | None:
    return Collection("set", ()) if text in _EMPTY or text.lower() in ("empty set", "the empty set") else None


def _compound(text: str) -> Value | None:
    """Read 3 hours 20 minutes, 25 degrees 30', 5 ft 10 in: units of one dimension, each smaller than the one before."""
    parts = list(_COMPOUND.finditer(text))
    if len(parts) < 2 or "".join(part[0] for part in parts) != text:
        return None
    if parts[0][2] == "^\\circ":
        sizes = {"^\\circ": Fraction(1), "'": Fraction(1, 60), "''": Fraction(1, 3600)}
        if any(part[2] not in sizes for part in parts):
            return None
        return Quantity(number(sum(Fraction(p[1]) * sizes[p[2]] for p in parts)), Unit((("angle", 1),), PI_180))
    units = [read_unit(part[2]) for part in parts]
    first = units[0]
    if first is None or any(u is None or u.thing or u.dimensions != first.dimensions for u in units):
        return None
    factors = [u.factor[1] for u in units if u and u.factor[0] == "num"]
    if len(factors) < len(parts) or factors != sorted(factors, reverse=True) or len(set(factors)) < len(factors):
        return None
    total = sum(Fraction(part[1]) * factor for part, factor in zip(parts, factors, strict=True))
    return Quantity(number(total), Unit(first.dimensions, number(1)), compound=True)


def _union(text: str) -> Value | None:
    return read_region(text)


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
        found = _read(part)
        if found is None:
            return None
        items.append(found)
    return together(items)


_GAP = re.compile(
    r"(?<=[\d})!.])\s*(?=\\frac\s*\{\s*[a-z]|[A-Za-z%$€£¥₹¢^\u4e00-\u9fff])|(?<=pi)\s+(?=[A-Za-z%^])|(?<=[a-z])\s+(?=[A-Za-z]{2})"
)
_FUNCTION = re.compile(r"(?:sin|cos|tan|cot|sec|csc|log|ln)(?![a-z])")
_BASED = re.compile(r"([0-9A-Za-z]+)_\{?(\d+)\}?")
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
    if text.startswith("\\{") and text.endswith("\\}") and closing_brace(text, 0) == len(text) - 1:
        return _set(text[2:-2])
    if text.startswith("{") and text.endswith("}") and "," in text:
        return _set(text[1:-1])
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        text = f"({text[7:-7]})"
    if text[:1] not in "([" or text[-1:] not in ")]" or closing_brace(text, 0) != len(text) - 1:
        return None
    parts = split(text[1:-1], ",", bracketed=True)
    if len(parts) == 1:
        parts = split(text[1:-1], ";")
    if len(parts) < 2:
        return _read(text[1:-1]) if text[0] == "(" else None
    items = [_read(part.strip()) for part in parts]
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
    items = [_read(part.strip()) for part in split(inner, ",", bracketed=True)]
    return None if any(item is None for item in items) else Collection("set", _flat(items))


def _relation(text: str) -> Value | None:
    r"""Read what has `=`, `\in`, `<` or the like outside all brackets."""
    member = re.fullmatch(rf"({_NAME.pattern})\s*\\in\s*(.+)", text)
    if member:
        value = _read(member[2].strip())
        if isinstance(value, Collection) and value.kind == "tuple" and len(value.items) == 2:
            value = interval(*value.items, value.brackets) or value
        return Named(_name(member[1]), value) if value is not None else None
    if re.search(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])", text):
        return _order(text)
    sides = split(text, "=")
    if len(sides) < 2 or any(not side.strip() for side in sides):
        return None
    return _equation([side.strip() for side in sides])


def _equation(sides: list[str]) -> Value | None:
    left, right = sides[0], sides[-1]
    if len(sides) > 2:
        values = [_read(side) for side in sides[1:]]
        from dra_toolkit.judge.comparing import same

        if any(value is None or not same(values[-1], value) for value in values):
            return None
    equation = None
    with contextlib.suppress(UnreadableError):
        equation = Equation(read_expression(left), read_expression(right))
    if not _NAME.fullmatch(left) and re.fullmatch(r"\\?[A-Za-z](?:_\{?\w+\}?)?", right):
        left, right = right, left
    if equation and not symbols(equation.left) | symbols(equation.right):
        return _read(right) if equal(equation.left, equation.right) else None
    if _NAME.fullmatch(left):
        value = _read(right)
        return Named(_name(left), value, equation) if value is not None else None
    return equation


def _order(text: str) -> Value | None:
    parts = re.split(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>)", text)
    sides, signs = parts[::2], parts[1::2]
    if any(not side.strip() for side in sides):
        return None
    made: list[Value] = []
    for left, sign, right in zip(sides, signs, sides[1:], strict=False):
        low, high = read_expression(left), read_expression(right)
        if sign in (">", "\\ge"):
            low, high = high, low
        made.append(Relation(low, high, None if sign == "\\ne" else sign in ("\\le", "\\ge")))
    return made[0] if len(made) == 1 else Collection("relations", tuple(made))


def _name(text: str) -> str:
    return re.sub(r"[\s{}]|\\text", "", text).removeprefix("m\\angle").lower() if len(text) > 2 else text.strip()


def _ratio(text: str) -> Value | None:
    parts = split(text, ":") if ":" in text else re.split(r"\s+to\s+", text) if re.search(r"\d\s+to\s+\S", text) else []
    if len(parts) < 2:
        return None
    labelled = re.fullmatch(r"[A-Za-z]{2,}(?:\s+[A-Za-z]+){0,2}", parts[0].strip())
    if labelled and len(parts) == 2:
        value = _read(parts[1].strip())
        return Named(_name(parts[0]), value) if value is not None else None
    return Ratio(tuple(read_expression(part) for part in parts))


def _quantity(text: str) -> Value | None:
    unit, compound = None, False
    currency = _CURRENCY.match(text)
    if currency:
        unit = read_unit(currency[2])
        text = currency[1] + text[currency.end() :]
    scaled = _SCALE.fullmatch(text)
    scale = 1
    if scaled:
        text, scale = f"{scaled[1]} {scaled[3]}".strip(), SCALES[scaled[2].lower()]
    node, found = _with_unit(text)
    if node is None or (unit and found and unit != found):
        return None
    if scale != 1:
        node = ("mul", node, number(scale))
    unit = unit or found
    values = plus_minus(node)
    if len(values) > 1:
        return Collection("list", tuple(Quantity(value, unit) for value in values))
    return Quantity(node, unit, compound)


def _with_unit(text: str) -> tuple[Node | None, Unit | None]:
    """Return the expression of a text and the unit behind it."""
    text = re.sub(r"^([+-]?\d+)\s+(\d+)/(\d+)(?=$|\s|\^|%)", _mixed, text)
    text = re.sub(r"(?<=\d)\s(?=\d{3}(?!\d))", "", text) if re.match(r"[+-]?\d{1,3}(?:\s\d{3})+(?!\d)", text) else text
    plain_units = not _FUNCTION.search(text)
    known = _split_unit(text, known=True) if plain_units else None
    if known:
        return known
    try:
        return _based(text) or read_expression(text), None
    except UnreadableError:
        return _split_unit(text, known=False) or (None, None)


def _split_unit(text: str, *, known: bool) -> tuple[Node, Unit] | None:
    """Split a text into an expression and the unit behind it; known: let no counted thing be one, nor a single letter."""
    for gap in _GAP.finditer(text):
        behind = text[gap.end() :]
        unit = read_unit(behind) if gap.start() else None
        if unit is None or (unit.thing and (known or (not gap[0] and len(behind) < 2 and behind.isascii()))):
            continue
        if known and re.fullmatch(r"[A-Za-z](?:\s*\^.*)?", behind):
            continue
        try:
            return read_expression(text[: gap.start()].rstrip()), unit
        except UnreadableError:
            continue
    return None


def _based(text: str) -> Node | None:
    found = _BASED.fullmatch(text)
    if not found or not (re.search(r"\d", found[1]) or found[2] == "16"):
        return None
    return based(found[1], number(int(found[2])), text)


def _mixed(found: re.Match[str]) -> str:
    return f"{found[1]}\\frac{{{found[2]}}}{{{found[3]}}}" if int(found[2]) < int(found[3]) else found[0]


def _one_letter_unit(text: str) -> Value | None:
    """Read `2.5 m`: a number and a letter with a space between them that is the name of a unit."""
    found = re.fullmatch(r"([+-]?[\d.,]+(?:\\frac\{\d+\}\{\d+\})?)\s+([A-Za-z])(\s*\^\s*\{?[23]\}?)?", text)
    unit = read_unit(found[2] + (found[3] or "")) if found else None
    return Quantity(read_expression(found[1]), unit) if found and unit else None


def _words(text: str) -> Value | None:
    """Read words: letters of any script, with few numbers; a statement about a number is none."""
    flat = _ARTICLES.sub("", " ".join(re.sub(r"[-\"'.,!?;$()]", " ", text).lower().split()))
    if not flat or re.search(r"[\\^_{}=<>|+*/]", flat) or not re.search(r"[^\W\d]", flat):
        return None
    words = flat.split()
    numbers, says = bool(re.search(r"\d", flat)), bool(_VERBS & set(words))
    if len(words) > 12 or (numbers and (len(words) > 6 or says)) or (says and len(words) > 4):
        return None
    if flat in ("all real numbers", "all reals", "real numbers", "all real values"):
        return everything()
    return Words(flat)


def _phrase(text: str) -> Value | None:
    """Read several words of letters, of which the first is no function or constant."""
    words = text.split()
    if (
        len(words) > 1
        and all(re.fullmatch(r"[^\W\d_]+", word) for word in words)
        and not {*FUNCTIONS, "pi"} & set(words)
    ):
        return _words(text) if any(len(word) > 2 for word in words) else None
    return None


def _bare_word(text: str) -> Value | None:
    """Read letters alone as a word: letters of a word do not commute; names of constants are no words."""
    if re.fullmatch(r"[^\W\d_]{2,}", text) and text.lower() not in ("pi", "infinity", "inf", "oo"):
        return _words(text)
    return None


_KINDS: tuple[Callable[[str], Value | None], ...] = (
    _date, _letter, _bare_word, _clock, _empty, _compound, read_matrix, read_cases, _union, _list, _phrase, _bracketed,
    _relation, _ratio, _one_letter_unit, _quantity, _words,
)  # fmt: skip
