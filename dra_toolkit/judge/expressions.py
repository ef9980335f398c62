r"""Read an expression, strictly: what is not wholly understood raises UnreadableError, so that nothing is dropped.

A node is a tuple: ("num", Fraction), ("sym", name), ("const", name), or (operation, node, ...).
"""

import re
from fractions import Fraction
from itertools import takewhile
from typing import Any

from dra_toolkit.judge.notation import GREEK, KNOWN, known_pattern

Node = tuple[Any, ...]
Token = tuple[str, Any]

LONGEST, DEEPEST = 4000, 80
_SAME = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
_INVERSE = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot")}
_GREEK = frozenset([*GREEK, *KNOWN["greek"]["variants"].split()]) - {"pi"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "lfloor": "rfloor", "lceil": "rceil", "|": "|"}
_OF_TWO, _ROUNDED = {"frac": "div", "binom": "binom"}, {"lfloor": "floor", "lceil": "ceil"}
_CONSTANTS = {"pi": "pi", "infty": "inf", "infinity": "inf"}
FUNCTIONS = frozenset(KNOWN["words"]["functions"].split())
_TOKEN = known_pattern("token", re.DOTALL)


class UnreadableError(ValueError):
    """A text is no expression that is understood here."""


def number(value: int | Fraction) -> Node:
    """Return the node of a number."""
    return ("num", Fraction(value))


def read_expression(text: str) -> Node:
    r"""Return the node that a text in plain notation stands for; raises UnreadableError.

    What is not read here, sums, integrals and limits, is left to math-verify's own LaTeX reader: ("engine", text).

    >>> read_expression(r"3\frac12")
    ('num', Fraction(7, 2))
    """
    if len(text) > LONGEST:
        raise UnreadableError(text)
    if re.search(r"\\(?:sum|prod|int|lim|max|min|gcd|lcm|bmod)(?![a-z])", text):
        return ("engine", text)
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = self._depth = 0
        self._text = text
        self._inside_bars = False

    def whole(self) -> Node:
        node = self._sum()
        if self._at < len(self._tokens):
            raise UnreadableError(self._text)
        return node

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", None)

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, *values: str) -> str | None:
        kind, value = self._peek()
        if kind in ("mark", "command") and value in values:
            self._at += 1
            return str(value)
        return None

    def _closed(self, opening: str) -> Node:
        """Read what stands in a bracket that was opened."""
        node = self._sum()
        if not self._take(_CLOSING[opening]):
            raise UnreadableError(self._text)
        return node

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError(self._text)
        sign = self._take("pm", "mp")
        left = (sign, number(0), self._product()) if sign else self._product()
        while operator := self._take("+", "-", "pm", "mp"):
            right = self._product()
            right = ("neg", right) if operator == "-" else right
            left = ("add" if operator in "+-" else operator, left, right)
        self._depth -= 1
        return left

    def _product(self) -> Node:
        left = self._signed()
        while True:
            if self._take("*", "cdot", "times", "ast"):
                left = ("mul", left, self._signed())
            elif self._take("/", "div"):
                left = ("div", left, self._signed())
            elif self._starts_factor():
                left = ("mul", left, self._power())
            else:
                return left

    def _signed(self) -> Node:
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        node = self._power()
        return ("neg", node) if negative else node

    def _starts_factor(self) -> bool:
        kind, value = self._peek()
        if kind == "num":
            return self._tokens[self._at - 1] in (("mark", ")"), ("mark", "}"), ("mark", "]"))
        if kind in ("letter", "function"):
            return True
        if kind == "mark":
            return value in ("(", "[", "{") or (value == "|" and not self._inside_bars)
        return kind == "command" and value not in ("cdot", "times", "div", "ast", "pm", "mp", "rfloor", "rceil", "circ")

    def _power(self) -> Node:
        node = self._postfixed(self._atom())
        if self._take("^"):
            if self._take("circ"):
                return self._postfixed(("mul", node, ("div", ("const", "pi"), number(180))))
            node = self._postfixed(("pow", node, self._argument()))
        if self._peek() == ("mark", "^"):
            raise UnreadableError(self._text)
        return node

    def _postfixed(self, node: Node) -> Node:
        while self._take("!"):
            if self._peek() == ("mark", "!"):
                raise UnreadableError(self._text)
            node = ("factorial", node)
        return node

    def _argument(self) -> Node:
        """Read what follows `^`, `\frac` or `\\sqrt`: a group in braces, or one digit, letter or command."""
        if self._take("{"):
            return self._closed("{")
        kind, value = self._peek()
        if kind == "num" and isinstance(value, tuple):
            if len(value[1]) > 1 and value[1].isdigit():  # `\frac34` and `x^10`: TeX takes one digit
                self._tokens[self._at] = ("num", (Fraction(value[1][1:]), value[1][1:]))
                return number(int(value[1][0]))
            self._at += 1
            return ("num", value[0])
        if self._take("-"):
            return ("neg", self._argument())
        return self._atom()

    def _atom(self) -> Node:
        kind, value = self._next()
        if kind == "num":
            return self._numeral(value)
        if kind == "letter":
            return self._letter(value)
        if kind == "function":
            return self._function(value)
        if kind == "mark" and value in ("(", "[", "{"):
            return self._closed(value)
        if kind == "mark" and value == "|" and not self._inside_bars:
            self._inside_bars = True
            node = self._closed("|")
            self._inside_bars = False
            return ("abs", node)
        if kind == "command":
            return self._command(value)
        raise UnreadableError(self._text)

    def _numeral(self, value: tuple[Fraction, str]) -> Node:
        """Read a number, with a proper fraction after it (mixed number) or the base below it."""
        if self._take("_"):
            return based(value[1], self._argument(), self._text)
        if value[1].isdigit() and self._peek() == ("command", "frac"):
            start = self._at
            self._at += 1
            top, bottom = self._argument(), self._argument()
            if top[0] == bottom[0] == "num":
                if not 0 < top[1] < bottom[1]:
                    raise UnreadableError(self._text)
                return ("num", value[0] + top[1] / bottom[1])
            self._at = start
        return ("num", value[0])

    def _letter(self, letter: str) -> Node:
        if self._take("_"):
            return ("sym", f"{letter}_{self._name()}")
        if letter in ("e", "i"):
            return ("const", letter)
        return ("sym", letter)

    def _name(self) -> str:
        """Read a subscript as part of a name."""
        braced = self._take("{")
        parts: list[str] = []
        while not parts or (braced and not self._take("}")):
            kind, value = self._next()
            if kind == "end":
                raise UnreadableError(self._text)
            parts.append(str(value[1] if kind == "num" else value))
        return "".join(parts)

    def _command(self, name: str) -> Node:
        if name in _OF_TWO:
            return (_OF_TWO[name], self._argument(), self._argument())
        if name in _CONSTANTS:
            return ("const", _CONSTANTS[name])
        if name in _ROUNDED:
            return (_ROUNDED[name], self._closed(name))
        if name in _GREEK:
            return ("sym", f"\\{name}" + (f"_{self._name()}" if self._take("_") else ""))
        if name in ("angle", "triangle"):
            corners = "".join(
                letter for _, letter in takewhile(lambda token: token[0] == "letter", self._tokens[self._at :])
            )
            self._at += len(corners)
            return ("sym", f"\\{name} {min(corners, corners[::-1])}")
        if name in ("overline", "vec", "hat", "bar"):
            return ("sym", f"\\{name} {self._name() if self._peek() == ('mark', '{') else self._next()[1]}")
        raise UnreadableError(self._text)

    def _function(self, name: str) -> Node:
        if name == "sqrt":
            degree = self._closed("[") if self._take("[") else None
            inner = self._atom() if self._peek() == ("mark", "(") else self._argument()
            return ("pow", inner, ("div", number(1), degree)) if degree else ("sqrt", inner)
        name = _SAME.get(name, name)
        base: Node | None = self._argument() if name == "log" and self._take("_") else None
        power = self._argument() if self._take("^") else None
        if power == ("neg", number(1)) and name in _INVERSE:
            name, power = _INVERSE[name], None
        opening = self._take("(", "{", "[")
        inner = self._closed(opening) if opening else self._bare_argument()
        node = ("div", ("ln", inner), ("ln", base)) if base else (name, inner)
        return ("pow", node, power) if power else node

    def _bare_argument(self) -> Node:
        node = self._power()
        while self._starts_factor() and self._peek()[0] != "function" and self._peek()[1] not in (*FUNCTIONS, "("):
            node = ("mul", node, self._power())
        return ("div", node, self._power()) if self._take("/") else node


def based(digits: str, base: Node, text: str) -> Node:
    """Return the number that digits stand for in a base, marked with it; raises UnreadableError."""
    if base[0] != "num" or base[1].denominator != 1 or not 2 <= base[1] <= 36:
        raise UnreadableError(text)
    try:
        return ("based", int(digits, int(base[1])), int(base[1]))
    except ValueError:
        raise UnreadableError(text) from None


def _tokens(text: str) -> list[Token]:
    made: list[Token] = []
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
            made.append(("function" if match["command"] in FUNCTIONS else "command", match["command"]))
        elif match["word"]:
            made += _word(match["word"], text)
        else:
            made.append(("mark", match["mark"].removeprefix("\\") or "\\"))
    return made


def _word(word: str, text: str) -> list[Token]:
    """Return the tokens of letters: the name of a function or constant, or a product of few variables."""
    if word in FUNCTIONS:
        return [("function", word)]
    if word in ("pi", "infinity", "Infinity", "inf", "oo"):
        return [("command", "pi" if word == "pi" else "infty")]
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
