"""Split an expression in plain notation into tokens: numbers, letters, functions, commands, marks."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh asin acos atan ln log lg exp sqrt abs"
)
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_TOKEN = re.compile(
    r"\s*(?:(?P<periodic>\d*\.\d*\\overline\s*\{\s*\d+\s*\})"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+|\.(?!\d))?|\.\d+)(?P<exponent>[eE][+-]?\d+)?"
    r"|\\(?P<command>[a-zA-Z]+)|(?P<word>[a-zA-Z]+)|(?P<mark>\\[{}|]|.))",
    re.DOTALL,
)


class UnreadableError(ValueError):
    """A text is no expression that is understood here."""


def tokens(text: str) -> list[tuple[str, Any]]:
    made: list[tuple[str, Any]] = []
    for match in _TOKEN.finditer(text.strip()):
        if match["periodic"]:
            made.append(("num", (_periodic(match["periodic"]), "")))
        elif match["number"]:
            digits = match["number"].replace(",", "").rstrip(".")
            if match["exponent"] and abs(int(match["exponent"][1:])) > 4000:
                raise UnreadableError(text)
            value = Fraction(digits + (match["exponent"] or ""))
            made.append(("num", (value, digits if not match["exponent"] else "")))
        elif match["command"]:
            name = match["command"]
            made.append(("function", name) if name in FUNCTIONS else ("command", name))
        elif match["word"]:
            made += _word(match["word"], text)
        else:
            mark = {"\\{": "{", "\\}": "}", "\\|": "|"}.get(match["mark"], match["mark"])
            made.append(("mark", mark))
    return made


def _word(word: str, text: str) -> list[tuple[str, Any]]:
    """Return the tokens of letters: the name of a function or constant, or a product of few variables."""
    if word in FUNCTIONS:
        return [("function", word)]
    if word == "pi":
        return [("command", "pi")]
    if word in ("infinity", "inf", "oo"):
        return [("command", "infty")]
    for name in ("sqrt", "pi"):
        head, found, tail = word.partition(name)
        if found and len(head) + len(tail) <= 2:
            return [*_word(head, text), *_word(name, text), *_word(tail, text)] if head or tail else _word(name, text)
    if len(word) > 4:
        raise UnreadableError(text)
    return [("letter", letter) for letter in word]


def _periodic(text: str) -> Fraction:
    r"""Return the number that `0.1\overline{27}` stands for."""
    head, _, period = re.sub(r"[\s{}]", "", text).partition("\\overline")
    whole, _, digits = head.partition(".")
    scale = 10 ** len(digits)
    return Fraction(int(whole + digits or "0"), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
