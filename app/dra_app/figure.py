"""The frame of a drawing in the page: title, legend, and buttons that save it or show its numbers as a table."""

import csv
import io
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from dra_app.templates import shared
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.inspection.export.exporting import cell

Cell = str | int | float | bool | None


def figure(
    title: str,
    drawing: str,
    *,
    name: str,
    rows: Iterable[Sequence[Cell]] | None = None,
    key: str = "",
    legend: str = "",
    help: str = "",
) -> Markup:
    """Return a drawing in its frame; nothing where there is no drawing.

    name: what the saved file is called, without its ending. rows: the numbers, the first row their names; without them
    the page asks for them by the figure's `key`.
    """
    numbers = None if rows is None else csv_text(rows)
    return shared("figure", title, drawing, name, key, numbers, legend, help) if drawing else Markup("")


def marks(width: float, height: float, title: str, body: str) -> str:
    """Return marks as an SVG of a size that has a name for who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.3:g}px" role="img" '
        f'aria-label="{escaped(title)}">{body}</svg>'
    )


def key(*items: tuple[str, str]) -> Markup:
    """Return a legend: classes of the style sheet and what they stand for."""
    return shared("key", items)


def line_key(*items: tuple[str, str, str]) -> Markup:
    """Return a legend of lines: what each stands for, its colour and its dash; nothing for a single one."""
    return shared("line_key", items) if len(items) > 1 else Markup("")


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV; text that a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()
