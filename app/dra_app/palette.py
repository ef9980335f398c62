"""One colour for each meaning, in light and in dark, from Okabe and Ito's palette that colour-blind readers can tell apart.

What is compared within a figure differs in lightness as well as in hue; a mark never says by its colour alone what it means.
"""

from __future__ import annotations

MEANINGS: dict[str, tuple[str, str]] = {
    "raw": ("#6b7280", "#a3abb8"),
    "adjusted": ("#0072b2", "#56b4e9"),
    "similarity": ("#6a51a3", "#b3a2e0"),
    "on-similarity": ("#ffffff", "#14161c"),
    "vendi": ("#00795a", "#2fc498"),
    "distinct": ("#2b83ba", "#7cc7ee"),
    "zero": ("#7d6f00", "#f0e442"),
    "copies": ("#8a4d9e", "#d3a4e6"),
    "flip": ("#935800", "#e69f00"),
    "up": ("#00795a", "#2fc498"),
    "down": ("#b24900", "#ff8a4c"),
    "what-if": ("#b3467f", "#e39bc4"),
    "left": ("#0072b2", "#56b4e9"),
    "right": ("#b24900", "#ff8a4c"),
    "ink": ("#1f2328", "#e6e8ec"),
    "quiet": ("#59636e", "#9aa4b2"),
    "line": ("#d7dce2", "#30363f"),
    "ground": ("#ffffff", "#14161c"),
    "panel": ("#f5f6f8", "#1c1f26"),
}
"""Meaning -> its colour on a light and on a dark ground. In style sheets it is `var(--dra-MEANING)`."""

_SERIES = (
    ("#0072b2", "#56b4e9"),
    ("#b36b00", "#e69f00"),
    ("#00795a", "#2fc498"),
    ("#b3467f", "#e39bc4"),
    ("#7d6f00", "#f0e442"),
    ("#6a51a3", "#b3a2e0"),
)
DASHES = ("", "7 4", "2 3", "8 3 2 3")
FUNCTIONS = len(_SERIES)
"""Colours for reward functions; beyond that they repeat, with another dash or pattern."""


def colour(meaning: str) -> str:
    """Return the colour of a meaning as CSS has it, on whichever ground the reader looks."""
    return f"var(--dra-{meaning})"


def series(number: int) -> tuple[str, str]:
    """Return the colour and the dash of one of several lines that have no meaning of their own."""
    return f"var(--dra-fn{number % FUNCTIONS})", DASHES[number // FUNCTIONS % len(DASHES)]


def style() -> str:
    """Return the colours as custom properties, each for the ground that the reader chose or that the system has."""
    numbered = {f"fn{i}": both for i, both in enumerate(_SERIES)}
    colours = "".join(f"--dra-{name}:light-dark({','.join(both)});" for name, both in (MEANINGS | numbered).items())
    rules = "".join(f".dra svg .{n}{{fill:var(--dra-{n})}}.dra-key.{n}{{background:var(--dra-{n})}}" for n in numbered)
    return f":root{{{colours}}}{rules}"
