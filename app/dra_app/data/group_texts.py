"""A completion's text in parts: thinking and answer, pieces short enough to show at once, formulas."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.rewards.format import CLOSING, OPENING
from dra_toolkit.safe_text import visible

SHOWN = 48_000
"""Characters of all the texts of a group that are shown before any is asked for."""
LEAST = 400
"""Characters of one text that are shown at least."""
PAGE = 100_000
"""Characters of a text that are sent at once when the whole is asked for."""
_FORMULAS = ("$", "\\(", "\\[", "\\begin{")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A text, or the beginning of it."""

    text: str
    """With what is not printable spelt out."""
    shown: int
    """Characters of it, before anything is spelt out."""
    whole: int
    """Characters of the whole text."""

    @property
    def is_cut(self) -> bool:
        """Whether more of it was recorded than is here."""
        return self.whole > self.shown


def think_and_answer(completion: str) -> tuple[str | None, str]:
    """Return what stands before the last `</think>`, None where there is none, and what comes after.

    A completion that opens `<think>` and never closes it is all thinking, and has no answer.

    >>> think_and_answer("<think>hm</think>2")
    ('hm', '2')
    >>> think_and_answer("2")
    (None, '2')
    """
    before, closing, after = completion.rpartition(CLOSING)
    if closing:
        return before.strip().removeprefix(OPENING).strip(), after.strip()
    if completion.lstrip().startswith(OPENING):
        return completion.strip().removeprefix(OPENING).strip(), ""
    return None, completion.strip()


def share_of(completions: int) -> int:
    """Return how many characters of each text of a group are shown at once."""
    return max(LEAST, SHOWN // max(1, completions))


def beginning(text: str, characters: int) -> Shown:
    """Return the beginning of a text with what is not printable spelt out."""
    return Shown(text=visible(text[:characters]), shown=min(characters, len(text)), whole=len(text))


def page_of(text: str, start: int) -> tuple[str, int | None]:
    """Return a piece of a text from a character on, made visible, and where the next one starts; None at the end."""
    start = max(0, start)
    end = start + PAGE
    return visible(text[start:end]), end if end < len(text) else None


def has_formula(text: str) -> bool:
    """Return whether a text may hold LaTeX."""
    return any(mark in text for mark in _FORMULAS)


def copies_of(completions: tuple[str, ...]) -> dict[int, int]:
    """Return for each completion that occurs more than once which set of equal texts it belongs to, from 0."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(completions):
        places.setdefault(text, []).append(i)
    sets = [found for found in places.values() if len(found) > 1]
    return {i: number for number, found in enumerate(sets) for i in found}
