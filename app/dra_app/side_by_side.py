"""Two texts side by side, the words that only one of them has marked, formulas drawn."""

from markupsafe import Markup

from dra_app.templates import shared
from dra_app.texts import UNITS, with_formulas
from dra_toolkit.inspection.group_list import word_differences


def side_by_side(heads: tuple[str, str], texts: tuple[str, str], note: str, *, closes: bool = False) -> Markup:
    """Return two texts under their heads, a formula compared as one word; closes: with a button for it."""
    found = word_differences(*texts, units=UNITS)
    columns = []
    for side, head, tag in (("left", heads[0], "del"), ("right", heads[1], "ins")):
        pieces = "".join(
            shown if stretch.kind == "both" else f"<{tag}>{shown}</{tag}>"
            for stretch in found.stretches
            if stretch.kind in ("both", side)
            for shown in [with_formulas(stretch.text)]
        )
        columns.append((head, Markup(pieces)))
    cut = " Only the beginnings are compared." if found.is_cut else ""
    said = f"{note} · {100 * found.ratio:.0f} % of the characters in common.{cut}"
    return shared("pair", columns, said, closes)
