"""Two texts side by side, the words that only one of them has marked, formulas drawn."""

from __future__ import annotations

from dra_app.texts import UNITS, with_formulas
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.inspection.word_differences import Differences, word_differences


def compared(left: str, right: str) -> Differences:
    """Return how two texts differ, a formula counted as one word."""
    return word_differences(left, right, units=UNITS)


def side_by_side(left: str, right: str, found: Differences, note: str, *, closes: bool = False) -> str:
    """Return two texts under their heads, which are HTML; closes: with a button for it."""
    columns = []
    for side, head, tag in (("left", left, "del"), ("right", right, "ins")):
        pieces = "".join(
            shown if stretch.kind == "both" else f"<{tag}>{shown}</{tag}>"
            for stretch in found.stretches
            if stretch.kind in ("both", side)
            for shown in [with_formulas(stretch.text)]
        )
        columns.append(f'<div><h5>{head}</h5><div class="dra-text" dir="auto" tabindex="0">{pieces}</div></div>')
    cut = " Only the beginnings are compared." if found.is_cut else ""
    close = '<button type="button" class="dra-quiet" data-close="1">close</button>' if closes else ""
    said = f"{note} · {100 * found.ratio:.0f} % of the characters in common.{cut}"
    return (
        '<section class="dra-pair" aria-label="two completions side by side"><header>'
        f'<span class="dra-note">{escaped(said)}</span>{close}</header>'
        f'<div class="columns" data-scrolls-together>{"".join(columns)}</div></section>'
    )
