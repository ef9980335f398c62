"""What differs between two texts, word by word."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

MOST_WORDS = 4_000
"""Words compared of each text; what follows is left out, since the time grows with their product."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Neighbouring words that both texts have, or one of them."""

    kind: Literal["both", "left", "right"]
    text: str


def word_differences(left: str, right: str) -> list[Stretch]:
    """Return the stretches that, read in order, make both texts: those of both, only the left, only the right one.

    >>> [(s.kind, s.text) for s in word_differences("add the ones", "add the tens")]
    [('both', 'add the '), ('left', 'ones'), ('right', 'tens')]
    """
    a, b = _WORDS.findall(left)[:MOST_WORDS], _WORDS.findall(right)[:MOST_WORDS]
    stretches: list[Stretch] = []
    for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            stretches.append(Stretch(kind="both", text="".join(a[a0:a1])))
            continue
        if a1 > a0:
            stretches.append(Stretch(kind="left", text="".join(a[a0:a1])))
        if b1 > b0:
            stretches.append(Stretch(kind="right", text="".join(b[b0:b1])))
    return stretches
