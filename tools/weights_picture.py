"""Draw docs/images/weights.svg: the weights of right and wrong completions of every measure, by formula.

python tools/weights_picture.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.svg import rect, text
from dra_toolkit.groups import Array
from dra_toolkit.inspection.weights import Weights, every_formula

WIDTH, HEIGHT = 900.0, 420.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "weights.svg"


def weights_svg(found: Sequence[Weights]) -> str:
    """Return the curves of both sides as one SVG, those of wrong completions dashed, with a legend; equal ones once.

    Each pair is drawn in shares of its own largest weight: how large all of it is, an optimizer such as AdamW hardly sees.
    """
    named: dict[bytes, tuple[list[str], Array]] = {}
    for each in found:
        sides = np.array([each.right, each.wrong])
        sides = sides / max(np.nanmax(np.abs(sides)), 1e-12)
        name = "GRPO (none)" if each.name == "none" else each.name
        named.setdefault(np.round(np.nan_to_num(sides, nan=-9.0), 3).tobytes(), ([], sides))[0].append(name)
    lines, legend = [], []
    for place, (names, sides) in enumerate(named.values()):
        shares = np.linspace(0, 100, sides.shape[1])
        colour, y = COLOURS[place % len(COLOURS)], HEIGHT + 18 * (place + 1)
        for values, side, dash in zip(sides, ("right", "wrong"), ("", "4 3"), strict=True):
            lines.append(
                Line(name=f"{', '.join(names)}, {side}", steps=shares, values=values, colour=colour, dash=dash)
            )
        legend += [rect(54, y - 9, 12, 10, "", rest=f'fill="{colour}"'), text(72, y, ", ".join(names), anchor="start")]
    drawn = curves(
        lines, y_title="weight, share of the largest", x_title="share right, %", size=(WIDTH, HEIGHT), smooth=1
    )
    size = f"0 0 {WIDTH:g} {HEIGHT + 18 * (len(named) + 1):g}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="system-ui, sans-serif" font-size="11">'
    )
    whole = drawn.replace("<svg ", f'<svg width="{WIDTH:g}" height="{HEIGHT:g}" ', 1)
    return f"{head}{whole}{''.join(legend)}</svg>\n"


if __name__ == "__main__":
    TARGET.write_text(weights_svg(every_formula()), encoding="utf-8")
    print(f"wrote {TARGET}")
