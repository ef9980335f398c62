"""Show hostile text harmlessly: nothing that a model wrote may colour, move or break the terminal."""

from __future__ import annotations

import unicodedata

_KEPT = {"\n"}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that a terminal may act on, or that show nothing: controls, formats (bidirectional ones among
them), surrogates, private and unassigned characters, line and paragraph separators."""


def visible(text: str, *, one_line: bool = False) -> str:
    r"""Return `text` with every character that is not plainly visible spelt out, as `\x1b` or `\u202e`.

    Line breaks stay, unless `one_line`: then they become a space. Tabs become four spaces.
    """
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if one_line:
        text = text.replace("\n", " ")
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _INVISIBLE else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
