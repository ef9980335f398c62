"""What differs between two texts, word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MOST_WORDS = 3_000
"""Words and spaces compared of each text; what follows is left out, since the time grows faster than their number."""
_WORDS = re.compile(r"\s{1,400}|\w{1,400}|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Neighbouring words that both texts have, or one of them."""

    kind: Literal["both", "left", "right"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How two texts differ: stretches that read in order make both, and whether only the beginnings were compared.

    ratio: twice the characters in common over those of both texts compared, 1 for equal texts.
    """

    stretches: tuple[Stretch, ...]
    ratio: float
    is_cut: bool


def word_differences(left: str, right: str, words: int = MOST_WORDS, units: re.Pattern[str] = _WORDS) -> Differences:
    """Compare two texts word by word. units: what counts as a word or a space; every character is part of one.

    >>> [(s.kind, s.text) for s in word_differences("add the ones", "add the tens").stretches]
    [('both', 'add the '), ('left', 'ones'), ('right', 'tens')]
    """
    a, b = ([found[0] for found in islice(units.finditer(text), words)] for text in (left, right))
    stretches, common = [], 0
    for tag, a0, a1, b0, b1 in _opcodes(a, b):
        if tag == "equal":
            stretches.append(Stretch(kind="both", text="".join(a[a0:a1])))
            common += len(stretches[-1].text)
            continue
        if a1 > a0:
            stretches.append(Stretch(kind="left", text="".join(a[a0:a1])))
        if b1 > b0:
            stretches.append(Stretch(kind="right", text="".join(b[b0:b1])))
    compared = sum(map(len, a)) + sum(map(len, b))
    is_cut = compared < len(left) + len(right)
    return Differences(stretches=tuple(stretches), ratio=2 * common / compared if compared else 1.0, is_cut=is_cut)


def _opcodes(a: list[str], b: list[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield what SequenceMatcher finds between the common beginning and the common end.

    Words that make more than a hundredth of a long text are no places to begin a match: a completion that repeats itself
    for ever, as a collapsed policy's does, would otherwise take minutes.
    """
    shortest = min(len(a), len(b))
    start = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    end = next((i for i in range(shortest - start) if a[-1 - i] != b[-1 - i]), shortest - start)
    if start:
        yield "equal", 0, start, 0, start
    inner = difflib.SequenceMatcher(None, a[start : len(a) - end], b[start : len(b) - end], autojunk=True)
    for tag, a0, a1, b0, b1 in inner.get_opcodes():
        yield tag, a0 + start, a1 + start, b0 + start, b1 + start
    if end:
        yield "equal", len(a) - end, len(a), len(b) - end, len(b)
