"""Split a text at what stands outside all brackets."""

from __future__ import annotations

import re

_THOUSANDS = re.compile(r"(?<![\d,])[+-]?\$?\d{1,3}(?:,\d{3})+(?![\d,])")


def split(text: str, separator: str, *, bracketed: bool = False) -> list[str]:
    """Return the parts of a text between the separators outside all brackets; a comma between thousands is none.

    bracketed: the text stood in brackets, where `12,102` are two numbers unless commas with spaces separate.

    >>> split("(1,2), 10,000, 5", ",")
    ['(1,2)', ' 10,000', ' 5']
    """
    numbers = (
        set()
        if bracketed and ", " not in text
        else {m.start() + i for m in _THOUSANDS.finditer(text) for i, c in enumerate(m[0]) if c == ","}
    )
    parts, depth, start, at = [], 0, 0, 0
    environments = 0
    while at < len(text):
        character = text[at]
        if text.startswith("\\begin{", at):
            environments += 1
        elif text.startswith("\\end{", at):
            environments -= 1
        if character == "\\" and text[at + 1 : at + 2] not in ("{", "}"):
            at += 2
            continue
        depth += (character in "([{") - (character in ")]}")
        if character == separator and depth == 0 and environments == 0 and at not in numbers:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def outside(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return the parts of a text between the matches of a pattern that stand outside all brackets."""
    parts, start = [], 0
    for found in pattern.finditer(text):
        before = re.sub(r"\\(?![{}])", "", text[: found.start()])
        if sum(before.count(opening) - before.count(closing) for opening, closing in ("()", "[]", "{}")) <= 0:
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def nested(text: str) -> int:
    """Return how deep round and square brackets stand in each other."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    return deepest
