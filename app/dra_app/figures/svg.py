"""Small drawings as SVG text: escaped, coloured by the page's style sheet, with their data as CSV.

A drawing of some hundred marks is one string, drawn at once; the curves, which are zoomed into, are Plotly's.
"""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dra_toolkit.inspection.export.csv_file import cell

NOT_KNOWN, MINUS = "\u2013", "\u2212"
"""An en dash stands for a number that is not known; the sign of negative ones is as wide as a plus."""

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Scale:
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, rounded to a tenth of a pixel."""
        share = (value - self.low) / (self.high - self.low) if self.high != self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def figure(
    title: str,
    body: str,
    size: tuple[float, float],
    *,
    rows: Iterable[Sequence[Cell]],
    name: str,
    legend: str = "",
    note: str = "",
    attributes: str = "",
) -> str:
    """Return a drawing with its title, legend, and buttons that save it as PNG or SVG and its numbers as CSV.

    rows: the numbers, the first row their names. name: what the saved file is called, without its ending.
    """
    width, height = size
    buttons = "".join(
        f'<button type="button" class="dra-save" data-save="{kind}" title="Save as {kind.upper()}">{kind.upper()}</button>'
        for kind in ("png", "svg", "csv")
    )
    return (
        f'<figure class="dra-figure" data-name="{escaped(name)}" data-csv="{escaped(csv_text(rows))}">'
        f'<figcaption><b>{escaped(title)}</b><span class="dra-saves">{buttons}</span></figcaption>{legend}'
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.3:g}px" role="img" '
        f'aria-label="{escaped(title)}" {attributes}>{body}</svg>'
        f"{f'<p class=dra-note>{note}</p>' if note else ''}</figure>"
    )


def escaped(text: object) -> str:
    """Return text that HTML shows as it is, also inside a quoted attribute."""
    return html.escape(str(text), quote=True)


def rect(x: float, y: float, width: float, height: float, kind: str, *, title: str = "", rest: str = "") -> str:
    """Return a rectangle of a class of the style sheet; `title` is shown on hover."""
    inside = f"<title>{escaped(title)}</title>" if title else ""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" {rest}>'
        f"{inside}</rect>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, said: object, kind: str = "tick", *, anchor: str = "middle", rest: str = "") -> str:
    """Return a text, escaped."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {rest}>{escaped(said)}</text>'


def y_axis(scale: Scale, left: float, right: float, title: str, *, count: int = 4) -> str:
    """Return grid lines with their values, zero drawn stronger, and the title of the axis on its side."""
    parts = []
    for value in ticks(scale.low, scale.high, count):
        y = scale(value)
        parts.append(line(left, y, right, y, "zero" if value == 0 else "grid"))
        parts.append(text(left - 5, y + 3.5, short(value), anchor="end"))
    middle = (scale.start + scale.end) / 2
    parts.append(text(11, middle, title, "axis", rest=f'transform="rotate(-90 11 {middle:.1f})"'))
    return "".join(parts)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round values within a range, about `count` of them."""
    span = high - low
    if not span > 0:
        return [low]
    rough = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    values = [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
    return [value + 0.0 for value in values]


def around(values: Iterable[float | None], *, zero: bool = True, room: float = 0.08) -> tuple[float, float]:
    """Return a range that holds all known values, and zero if wanted, with some room beyond them."""
    found = [value for value in values if value is not None and math.isfinite(value)] + ([0.0] if zero else [])
    low, high = min(found, default=0.0), max(found, default=1.0)
    if low == high:
        low, high = (low - 1, high + 1) if not zero or low != 0 else (0.0, 1.0)
    span = high - low
    return (low - span * room if low < 0 or not zero else low), (high + span * room if high > 0 or not zero else high)


def short(value: float | None, digits: int = 3) -> str:
    """Return a number in few characters; a dash for one that is not known.

    >>> short(0.25), short(12500.0), short(None) == NOT_KNOWN
    ('0.25', '12,500', True)
    """
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if abs(value) >= 1000:
        written = f"{value:,.0f}"
    else:
        written = f"{value:.{digits}g}"
        if "e" in written:
            written = f"{value:.0e}"
    return "0" if written in ("-0", "0") else written.replace("-", MINUS)


def signed(value: float | None) -> str:
    """Return a number with its sign and two decimals; of a small one more, since its sign may be what matters."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if abs(value) < 0.0001:
        return "0"
    written = f"{value:.2f}" if abs(value) >= 0.005 else f"{value:.4f}".rstrip("0")
    return ("+" if value > 0 else "") + written.replace("-", MINUS)


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV; text that a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def key(*items: tuple[str, str]) -> str:
    """Return a legend: classes of the style sheet and what they stand for."""
    parts = "".join(f'<span><i class="dra-key {kind}"></i>{escaped(said)}</span>' for kind, said in items)
    return f'<div class="dra-legend">{parts}</div>'
