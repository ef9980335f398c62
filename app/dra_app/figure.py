"""The frame of a drawing in the page: title, legend, and buttons that save it or show its numbers as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from dra_toolkit.drawing.svg import escaped
from dra_toolkit.inspection.export.writers import cell

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
    kind: str = "",
) -> str:
    """Return a drawing in its frame.

    name: what the saved file is called, without its ending. rows: the numbers, the first row their names; without them
    the page asks for them by the figure's `key`.
    """
    buttons = "".join(
        f'<button type="button" class="dra-save" data-save="{each}" title="{said}">{each.upper()}</button>'
        for each, said in (
            ("table", "the numbers as a table"),
            *((kind, f"Save as {kind.upper()}") for kind in ("png", "svg", "csv")),
        )
    )
    numbers = "" if rows is None else f' data-csv="{escaped(csv_text(rows))}"'
    said = f' title="{escaped(help)}"' if help else ""
    return (
        f'<figure class="dra-figure {kind}" data-figure="{escaped(key)}" data-name="{escaped(name)}"{numbers}>'
        f'<figcaption><b{said}>{escaped(title)}</b><span class="dra-saves">{buttons}</span></figcaption>{legend}'
        f"{drawing}</figure>"
    )


def marks(width: float, height: float, title: str, body: str, attributes: str = "") -> str:
    """Return marks as an SVG of a size that has a name for who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.3:g}px" role="img" '
        f'aria-label="{escaped(title)}" {attributes}>{body}</svg>'
    )


def key(*items: tuple[str, str]) -> str:
    """Return a legend: classes of the style sheet and what they stand for."""
    parts = "".join(f'<span><i class="dra-key {kind}"></i>{escaped(said)}</span>' for kind, said in items)
    return f'<div class="dra-legend">{parts}</div>'


def line_key(*items: tuple[str, str, str]) -> str:
    """Return a legend of lines: what each stands for, its colour and its dash; nothing for a single one."""
    parts = "".join(
        f'<span><svg width="18" height="6" aria-hidden="true"><path d="M0 3h18" stroke-width="2.5" '
        f'style="stroke:{colour}" stroke-dasharray="{dash}"/></svg>{escaped(said)}</span>'
        for said, colour, dash in items
    )
    return f'<div class="dra-legend">{parts}</div>' if len(items) > 1 else ""


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV; text that a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()
