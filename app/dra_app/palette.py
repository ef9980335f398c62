"""One colour for each meaning, in light and in dark, from Okabe and Ito's palette that colour-blind readers can tell apart.

What is compared within a figure differs in lightness as well as in hue; a mark never says by its colour alone what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MEANINGS: Mapping[str, tuple[str, str]] = {
    "raw": ("#6b7280", "#a3abb8"),
    "adjusted": ("#0072b2", "#56b4e9"),
    "similarity": ("#6a51a3", "#b3a2e0"),
    "on-similarity": ("#ffffff", "#14161c"),
    "vendi": ("#00795a", "#2fc498"),
    "distinct": ("#2b83ba", "#7cc7ee"),
    "zero": ("#7d6f00", "#f0e442"),
    "copies": ("#8a4d9e", "#d3a4e6"),
    "flip": ("#b36b00", "#e69f00"),
    "up": ("#00795a", "#2fc498"),
    "down": ("#c04f00", "#ff8a4c"),
    "what-if": ("#b3467f", "#e39bc4"),
    "evaluation": ("#c04f00", "#ff8a4c"),
    "left": ("#0072b2", "#56b4e9"),
    "right": ("#c04f00", "#ff8a4c"),
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
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Palette:
    """The colours on one ground."""

    is_dark: bool

    def __getitem__(self, meaning: str) -> str:
        """Return the colour of a meaning."""
        return MEANINGS[meaning][self.is_dark]

    def series(self, number: int) -> tuple[str, str]:
        """Return the colour and the dash of one of several lines that have no meaning of their own."""
        return _SERIES[number % len(_SERIES)][self.is_dark], DASHES[number // len(_SERIES) % len(DASHES)]

    def function(self, number: int) -> tuple[str, str]:
        """Return the colour and the dash of a reward function, on every page the same.

        The first colour of the series is that of the adjusted reward, which stands beside them.
        """
        return self.series(number + 2)


LIGHT, DARK = Palette(False), Palette(True)


def themed(page: str) -> str:
    """Return HTML whose light colours follow the ground: each as the custom property that has it."""
    for meaning, (light, _) in MEANINGS.items():
        page = page.replace(light, f"var(--dra-{meaning})")
    return page


def palette(is_dark: bool) -> Palette:
    """Return the palette of a ground."""
    return DARK if is_dark else LIGHT


def style() -> str:
    """Return the colours as custom properties, those for a dark ground where Gradio is dark."""
    light = "".join(f"--dra-{name}:{LIGHT[name]};" for name in MEANINGS)
    dark = "".join(f"--dra-{name}:{DARK[name]};" for name in MEANINGS)
    return f":root{{{light}}}.dark{{{dark}}}"
