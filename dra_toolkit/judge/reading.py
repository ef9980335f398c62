r"""Read the text of an answer as a value: what kind of thing it is, and its parts.

`read` takes an answer in any notation. Each kind has one function below that returns its value or None; the first that
does wins. What nothing reads is no answer that can be compared.
"""

import contextlib
import functools
import re
from collections.abc import Callable

from dra_toolkit.judge import values as v
from dra_toolkit.judge.amounts import read_compound, read_quantity
from dra_toolkit.judge.brackets import depths, enclosed, outside, split
from dra_toolkit.judge.equality import equal, real, symbols
from dra_toolkit.judge.expressions import FUNCTIONS, Node, UnreadableError, read_expression
from dra_toolkit.judge.golds import without_label
from dra_toolkit.judge.notation import KNOWN, known_pattern, plain, unwrapped
from dra_toolkit.judge.regions import as_region, everything, interval, read_region

MOST_ITEMS, DEEPEST = 500, 20
_WORD_SEPARATOR = re.compile(r",?\s*\b(?:or|and)\b\s*")
_TURNED = {">": "<", "\\ge": "\\le"}
_PHRASE = re.compile(r"(?:\w+\s+){3,}\w+")
_NAME = known_pattern("name")
_MATRIX = known_pattern("matrix", re.DOTALL)
_CASES = known_pattern("cases", re.DOTALL)
_ROWS = re.compile(r"\\\\(?:\[[^\]]*\])?")
_IF = re.compile(r"^(?:,|if\b|for\b|when\b|where\b|\s)+")
_CLOCK = known_pattern("clock", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_CHOICE = re.compile(r"(?:\(([A-Za-z])\)|([A-J])[.:)])\s*([^\s,;].*)")
_PREFIX = re.compile(r"(?:option|choice|letter|选项?)\s*(?=\(?[A-Za-z]\)?[.:]?$)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:T.*)?|\d{1,2}/\d{1,2}/\d{4}")
_NUMBERS = re.compile(r"\\mathbb\{[NZQC]\}(?:[\^_]\{?[+*]\}?)?")
_VERBS = frozenset(KNOWN["words"]["verbs"].split())
_ARTICLES = re.compile(r"^(?:an?|the)\s+")


def read(text: str) -> v.Value | None:
    r"""Return the value of an answer in any notation, or None where it is none that is understood.

    >>> read(r"x \in \{1,2\}") == read("x = 1 or 2"), read("it cannot be said $")
    (False, None)
    """
    bare = unwrapped(without_label(plain(text)))
    if not bare or max(depths(re.sub(r"\\?[{}]", "", bare)), default=0) > DEEPEST:
        return None
    return read_part(bare)


@functools.lru_cache(maxsize=1024)  # several kinds may read the same part of a text
def read_part(text: str) -> v.Value | None:
    for kind in _KINDS:
        with contextlib.suppress(UnreadableError):
            if (value := kind(text)) is not None:
                return value
    return None


def part(text: str) -> v.Value:
    """Return the value of a part of an answer; raises UnreadableError."""
    value = read_part(text.strip())
    if value is None:
        raise UnreadableError(text)
    return value


def _list(text: str) -> v.Value | None:
    """Read values beside each other without brackets around them."""
    parts = next((parts for mark in ";," if 1 < len(parts := split(text, mark)) <= MOST_ITEMS), [text])
    parts = [piece.strip() for each in parts for piece in outside(_WORD_SEPARATOR, each) if piece.strip()]
    if len(parts) < 2:
        return None
    said = re.match(r"(?:between|from|neither|(either|both))\b", text)
    if said or (_PHRASE.search(text) and not re.search(r"\d|\\", text)):
        return _list(text.partition(" ")[2]) if said and said[1] else None
    items = [part(piece) for piece in parts]
    named = [item for item in items if isinstance(item, v.Named)]
    if len({item.name for item in named}) == 1 and (named == items or (named == items[:1])):
        values = [item.value if isinstance(item, v.Named) else item for item in items]
        return v.Named(named[0].name, v.Collection("list", _flat(values)))
    return v.Collection("list", _flat(items))


def _flat(items: list[v.Value]) -> tuple[v.Value, ...]:
    made: list[v.Value] = []
    for item in items:
        made += item.items if isinstance(item, v.Collection) and item.kind == "list" else [item]
    unit = made[-1].unit if len(made) > 1 and isinstance(made[-1], v.Quantity) else None
    if unit is None:
        return tuple(made)
    # `3 and 5 cm`: the unit stands behind the last of them
    return tuple(v.Quantity(q.node, unit) if isinstance(q, v.Quantity) and q.unit is None else q for q in made)


def _bracketed(text: str) -> v.Value | None:
    r"""Read \{...\}, \emptyset, (a, b), [a, b), \langle a, b \rangle."""
    if text.lower() in KNOWN["words"]["no_values"]:
        return v.Collection("set", ())
    if _NUMBERS.fullmatch(text):
        return v.Words(text)
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
    if len(parts) == 1:
        return read_part(text[1:-1]) if text[0] == "(" else None
    items, brackets = tuple(map(part, parts)), text[0] + text[-1]
    region = interval(*items, brackets) if len(items) == 2 and brackets != "()" else None
    return region or v.Collection("tuple", items, brackets)


def _set(inner: str) -> v.Value:
    items = [part(piece) for piece in split(inner, ",", bracketed=True)] if inner.strip() else []
    return v.Collection("set", _flat(items))


def _relation(text: str) -> v.Value | None:
    r"""Read what has `=`, `\in`, `<` or the like outside all brackets."""
    member = re.fullmatch(rf"({_NAME.pattern})\s*\\in\s*(.+)", text)
    if member:
        value = part(member[2])
        return v.Named(_name(member[1]), as_region(value) or value)
    if re.search(r"[<>]|\\(?:le|ge|ne)(?![a-zA-Z])", text):
        return _order(text)
    sides = [side.strip() for side in split(text, "=")]
    return _equation(sides) if len(sides) > 1 and all(sides) else None


def _equation(sides: list[str]) -> v.Value | None:
    left, right = sides[0], sides[-1]
    if len(sides) > 2:
        from dra_toolkit.judge.comparing import same

        if not all(same(part(right), part(side)) for side in sides[1:]):
            return None
    equation = None
    with contextlib.suppress(UnreadableError):
        equation = v.Relation(read_expression(left), "=", read_expression(right))
    if not _NAME.fullmatch(left) and re.fullmatch(r"\\?[A-Za-z](?:_\{?\w+\}?)?", right):
        left, right = right, left
    if equation and not symbols(equation.left) | symbols(equation.right):
        return read_part(right) if equal(equation.left, equation.right) else None
    if _NAME.fullmatch(left):
        return v.Named(_name(left), part(right), equation)
    return equation


def _order(text: str) -> v.Value | None:
    parts = re.split(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<|>)", text)
    if any(not side.strip() for side in parts[::2]):
        return None
    sides = [read_expression(side) for side in parts[::2]]
    made = [
        v.Relation(right, _TURNED[sign], left) if sign in _TURNED else v.Relation(left, sign, right)
        for left, sign, right in zip(sides, parts[1::2], sides[1:], strict=False)
    ]
    return made[0] if len(made) == 1 else v.Collection("relations", tuple(made))


def _name(text: str) -> str:
    return re.sub(r"[\s{}]|\\text", "", text).removeprefix("m\\angle").lower() if len(text) > 2 else text.strip()


def _ratio(text: str) -> v.Value | None:
    parts = split(text, ":") if ":" in text else re.split(r"\s+to\s+", text) if re.search(r"\d\s+to\s+\S", text) else []
    if len(parts) < 2:
        return None
    if len(parts) == 2 and re.fullmatch(r"[A-Za-z]{2,}(?:\s+[A-Za-z]+){0,2}", parts[0].strip()):
        return v.Named(_name(parts[0]), part(parts[1]))
    return v.Ratio(tuple(map(read_expression, parts)))


def _matrix(text: str) -> v.Matrix | None:
    """Read a matrix with any brackets but the bars of a determinant, and a factor before it."""
    found = _MATRIX.fullmatch(text)
    if not found or found[2] in ("v", "V") or "\\begin" in found[4]:
        return None
    rows = [row.split("&") for row in _ROWS.split(found[4]) if row.strip() not in ("", "\\hline")]
    if not rows or len({len(row) for row in rows}) > 1:
        raise UnreadableError(text)
    factor = found[1].strip().removesuffix("\\cdot").removesuffix("\\times").strip()
    by: Node | None = ("neg", ("num", 1)) if factor == "-" else read_expression(factor) if factor else None
    if by is not None and real(by) is None:
        raise UnreadableError(text)
    entries = [[read_expression(entry) for entry in row] for row in rows]
    return v.Matrix(tuple(tuple(("mul", by, e) if by else e for e in row) for row in entries))


def _cases(text: str) -> v.Cases | None:
    """Read the pieces of a function: value & condition."""
    if not (found := _CASES.fullmatch(text)):
        return None
    rows = [row.partition("&") for row in _ROWS.split(found[2]) if row.strip()]
    branches = [(part(row[0].strip().rstrip(",")), part(_IF.sub("", row[2].strip()).rstrip(".,"))) for row in rows]
    return v.Cases(tuple(branches)) if branches else None


def _letter(text: str) -> v.Value | None:
    text = _PREFIX.sub("", text)
    single = _LETTER.fullmatch(text)
    if single:
        bare = len(text.strip(".:")) == 1
        return v.Quantity(("const" if single[1] in "ei" else "sym", single[1])) if bare else v.Choice(single[1].upper())
    choice = _CHOICE.fullmatch(text)
    if choice and not re.match(
        r"[=<>+*/^(\d-]|\\(?:cdot|times|le|ge|in|ne|cup|pm)", choice[3] if choice[1] and choice[1].islower() else "."
    ):
        return v.Choice((choice[1] or choice[2]).upper(), read_part(unwrapped(choice[3])))
    return None


def _clock(text: str) -> v.Value | None:
    if _DATE.fullmatch(text):
        return v.Words(text.lower())
    found = _CLOCK.fullmatch(text)
    if not found or not (found[2] or found[4] or found[5] or found[6]) or int(found[1]) > 24 or int(found[2] or 0) > 59:
        return None
    hour, half = int(found[1]), (found[4] or found[5] or "").lower()
    if half:
        hour = hour % 12 + (12 if half in ("p", "noon") else 0)
    seconds = hour * 3600 + int(found[2] or 0) * 60 + int(found[3] or 0)
    return v.Clock(seconds, bool(half), f"{found[1]}:{found[2] or 0}")


def _words(text: str) -> v.Value | None:
    """Read words: letters of any script, with few numbers; a statement about a number is none."""
    flat = _ARTICLES.sub("", " ".join(re.sub(r"[-\"'.,!?;$()]", " ", text).lower().split()))
    if not flat or re.search(r"[\\^_{}=<>|+*/]", flat) or not re.search(r"[^\W\d]", flat):
        return None
    words = flat.split()
    numbers, says = bool(re.search(r"\d", flat)), bool(_VERBS & set(words))
    if len(words) > 12 or (numbers and (len(words) > 6 or says)) or (says and len(words) > 4):
        return None
    excepted = re.fullmatch(r"all real(?: number)?s except ([\d/]+)", flat)
    if excepted:
        return read_region(rf"\mathbb{{R}}\setminus\{{{excepted[1]}\}}")
    if flat in ("all real numbers", "all reals", "real numbers", "all real values"):
        return everything()
    return v.Words(flat)


def _phrase(text: str) -> v.Value | None:
    """Read letters alone as words, for letters of a word do not commute; names of functions and constants are none."""
    words = text.split()
    names = {"pi", "infinity", "inf", "oo"} if len(words) == 1 else {*FUNCTIONS, "pi"}
    if not words or not all(re.fullmatch(r"[^\W\d_]+", word) for word in words) or names & set(map(str.lower, words)):
        return None
    return _words(text) if len(max(words, key=len)) > min(len(words), 2) else None


_KINDS: tuple[Callable[[str], v.Value | None], ...] = (
    _letter, _clock, read_compound, _matrix, _cases, read_region, _list, _bracketed, _phrase, _relation, _ratio,
    read_quantity, _words,
)  # fmt: skip
