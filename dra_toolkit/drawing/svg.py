"""Marks of a drawing as SVG text: everything is escaped, colours are the page's or a fallback."""

import html

from dra_toolkit.safe_text import visible


def escaped(text: object) -> str:
    """Return text that HTML shows as it is, also inside a quoted attribute."""
    return html.escape(str(text), quote=True)


def one_line(text: object, characters: int = 80) -> str:
    """Return the beginning of a text on one line, with what is not printable spelt out, escaped."""
    said = str(text)
    return escaped(visible(said[:characters], one_line=True) + ("…" if len(said) > characters else ""))


def rect(x: float, y: float, width: float, height: float, kind: str, *, title: str = "", rest: str = "") -> str:
    """Return a rectangle of a class of the style sheet; `title` is shown on hover."""
    inside = f"<title>{escaped(title)}</title>" if title else ""
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} {rest}>{inside}</rect>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str, rest: str = "") -> str:
    """Return a straight line of a class of the style sheet."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {rest}/>'


def text(x: float, y: float, said: object, kind: str = "tick", *, anchor: str = "middle", rest: str = "") -> str:
    """Return a text, escaped."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {rest}>{escaped(said)}</text>'
