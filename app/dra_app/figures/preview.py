"""A figure of curves as plain SVG, on the screen before Plotly is loaded, in the place where Plotly will draw it."""

from __future__ import annotations

from dra_app.figures.plots import HEIGHT, Figure
from dra_app.figures.svg import Scale, line, short, text, ticks

WIDTH = 380.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 6.0, 34.0
"""The margins of `base_layout`."""


def preview(figure: Figure) -> str:
    """Return the curves of a figure with their scales; error bars and markers come with Plotly."""
    traces = [trace for trace in figure["data"] if any(y is not None for y in trace["y"])]
    if not traces:
        return ""
    across = [x for trace in traces for x in trace["x"]]
    up = [y for trace in traces for y in trace["y"] if y is not None]
    layout = figure["layout"]
    low = min(0.0, *up) if layout["yaxis"].get("rangemode") == "tozero" else min(up)
    room = (max(up) - low or 1.0) * 0.06
    x = Scale(min(across), max(across), LEFT, WIDTH - RIGHT)
    y = Scale(low - (0 if low == 0 else room), max(up) + room, HEIGHT - BOTTOM, TOP)
    percent = layout["yaxis"].get("tickformat") == ".0%"
    parts = []
    for value in ticks(y.low, y.high, 4):
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), "grid"))
        said = f"{100 * value:.0f}%" if percent else short(value)
        parts.append(text(LEFT - 4, y(value) + 4, said, anchor="end"))
    parts += [text(x(value), HEIGHT - BOTTOM + 15, short(value)) for value in ticks(x.low, x.high, 5)]
    parts += [_path(trace, x, y) for trace in traces]
    size = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none"'
    return f'<svg class="dra-preview" {size} width="100%" height="{HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'


def _path(trace: Figure, x: Scale, y: Scale) -> str:
    commands, is_down = [], False
    for at, value in zip(trace["x"], trace["y"], strict=True):
        if value is None:
            is_down = False
            continue
        commands.append(f"{'L' if is_down else 'M'}{x(at)} {y(value)}")
        is_down = True
    shape = trace["line"]
    dash = "" if shape["dash"] == "solid" else ' stroke-dasharray="7 5"'
    return (
        f'<path d="{"".join(commands)}" fill="none" stroke="{shape["color"]}" stroke-width="{shape["width"]}"'
        f' stroke-opacity="{trace.get("opacity", 1)}"{dash}/>'
    )
