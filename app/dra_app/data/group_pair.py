"""Two texts side by side: which words only one of them has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from dra_toolkit.safe_text import visible

WORDS = 1_500
"""Words of each text that are compared; the time grows faster than their number."""
_WORDS = re.compile(r"\s{1,400}|\w{1,400}|[^\s\w]")

Side = Literal["both", "left", "right"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run of words that both texts have, or one of them."""

    side: Side
    text: str


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How two texts differ."""

    pieces: list[Piece]
    ratio: float
    """Twice the characters in common over those of both texts compared: 1 for equal texts."""
    is_cut: bool
    """Whether only the beginnings were compared."""


def word_differences(left: str, right: str, words: int = WORDS) -> Differences:
    """Compare two texts word by word, up to a number of words of each."""
    a, left_cut = _words(left, words)
    b, right_cut = _words(right, words)
    pieces: list[Piece] = []
    common = 0
    for tag, i, j, m, n in _opcodes(a, b):
        if tag == "equal":
            pieces.append(Piece(side="both", text="".join(a[i:j])))
            common += len(pieces[-1].text)
            continue
        if j > i:
            pieces.append(Piece(side="left", text="".join(a[i:j])))
        if n > m:
            pieces.append(Piece(side="right", text="".join(b[m:n])))
    size = sum(map(len, a)) + sum(map(len, b))
    return Differences(pieces=pieces, ratio=2 * common / size if size else 1.0, is_cut=left_cut or right_cut)


def _opcodes(a: list[str], b: list[str]) -> list[tuple[str, int, int, int, int]]:
    """Return what SequenceMatcher finds between the common beginning and the common end, which cost it most."""
    shortest = min(len(a), len(b))
    start = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    end = next((i for i in range(shortest - start) if a[-1 - i] != b[-1 - i]), shortest - start)
    found: list[tuple[str, int, int, int, int]] = [("equal", 0, start, 0, start)] if start else []
    inner = SequenceMatcher(None, a[start : len(a) - end], b[start : len(b) - end], autojunk=True)
    found += [(tag, i + start, j + start, m + start, n + start) for tag, i, j, m, n in inner.get_opcodes()]
    if end:
        found.append(("equal", len(a) - end, len(a), len(b) - end, len(b)))
    return found


def _words(text: str, most: int) -> tuple[list[str], bool]:
    found: list[str] = []
    for match in _WORDS.finditer(text):
        if len(found) == 2 * most:  # a word and the space after it
            return found, True
        found.append(visible(match[0]))
    return found, False
