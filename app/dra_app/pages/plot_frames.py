"""The frame of a Plotly figure in the page: its title, its legend, and the buttons that save it."""

from __future__ import annotations

from collections.abc import Sequence

from dra_app.figures.svg import escaped

SAVES = ("png", "svg", "csv")


def frame(key: str, title: str, legend: Sequence[tuple[str, str]], *, name: str, help: str = "") -> str:
    """Return an empty frame; the page's script draws the figure into it.

    legend: name and colour of each line, as HTML shows them. name: what a saved file is called, without its ending.
    """
    buttons = "".join(
        f'<button type="button" class="dra-save" data-plot-save="{kind}" title="Save as {kind.upper()}">{kind.upper()}'
        "</button>"
        for kind in SAVES
    )
    keys = "".join(
        f'<span><i class="dra-line" style="border-top:2.5px {dashed} {colour}"></i>{said}</span>'
        for said, colour, dashed in ((said, *_dash(colour)) for said, colour in legend)
    )
    said = f' title="{escaped(help)}"' if help else ""
    return (
        f'<figure class="dra-figure dra-plot" data-figure="{escaped(key)}" data-name="{escaped(name)}">'
        f'<figcaption><b{said}>{escaped(title)}</b><span class="dra-saves">{buttons}</span></figcaption>'
        f'<div class="dra-legend">{keys}</div><div class="dra-canvas" data-plot></div></figure>'
    )


def plotly_address() -> str:
    """Return where the page finds Plotly; the address names its version, as the browser keeps it."""
    from importlib.metadata import version

    return f"dra/plotly.min.js?{version('plotly')}"


def _dash(colour: str) -> tuple[str, str]:
    """Return a colour, and how its line is drawn, from `COLOUR` or `COLOUR DASH`."""
    value, _, dash = colour.partition(" ")
    return value, {"": "solid", "solid": "solid", "dot": "dotted"}.get(dash, "dashed")
