"""Curves over the steps as Plotly figures: plain dictionaries of Plotly's schema, sent to the browser as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_app.palette import Palette
from dra_toolkit.drawing.series import Steps, smoothed, thinned
from dra_toolkit.groups import Array

MOST_POINTS = 1_200
HEIGHT = 208
SMOOTHED_SHARE = 50
"""The mean is drawn over this part of a run's steps, unless the reader chooses otherwise."""
Figure = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a figure."""

    name: str
    values: Array
    colour: str
    dash: str = "solid"
    errors: tuple[Array, Array] | None = None
    """How far the error bars reach up and down."""
    markers: bool = False


def curve_figure(
    steps: Steps,
    lines: Sequence[Line],
    look: Palette,
    *,
    y_title: str,
    percent: bool = False,
    zero: bool = False,
    smooth: int = 0,
    keep: str = "",
) -> Figure:
    """Return curves over the steps.

    y_title: what is measured, with its unit. zero: whether the axis begins at 0. smooth: steps whose mean is drawn, the
    values themselves pale behind it; 0 for a part of the run. keep: as long as it is the same, the reader's zoom stays.
    """
    data = [trace for line in lines for trace in _traces(steps, line, percent, smooth)]
    layout = base_layout(look, y_title=y_title, keep=keep)
    if percent:
        layout["yaxis"]["tickformat"] = ".0%"
    if zero:
        layout["yaxis"]["rangemode"] = "tozero"
    if len(steps) <= 1:
        layout["xaxis"] |= {"range": [0, 2], "dtick": 1} if len(steps) == 0 or steps[0] == 1 else {}
    return {"data": data, "layout": layout}


def base_layout(look: Palette, *, y_title: str, keep: str = "", x_title: str = "step") -> dict[str, Any]:
    """Return the layout that every figure has: no frame, pale grid, the colours of the ground."""
    axis = {
        "gridcolor": look["line"],
        "linecolor": look["line"],
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": 11},
        "fixedrange": False,
    }
    return {
        "height": HEIGHT,
        "margin": {"l": 46, "r": 10, "t": 6, "b": 34},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {
            "family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif",
            "size": 12,
            "color": look["quiet"],
        },
        "xaxis": axis
        | {"showgrid": False, "title": {"text": x_title, "standoff": 4, "font": {"size": 11}}, "nticks": 7},
        "yaxis": axis
        | {"title": {"text": y_title, "standoff": 6, "font": {"size": 11}}, "nticks": 5, "fixedrange": True},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": look["panel"],
            "bordercolor": look["line"],
            "font": {"color": look["ink"], "size": 12},
        },
        "showlegend": False,
        "dragmode": "zoom",
        "uirevision": keep,
    }


def _traces(steps: Steps, line: Line, percent: bool, smooth: int) -> list[Figure]:
    at, (values,) = thinned(steps, [line.values], MOST_POINTS)
    few = len(at) < 40 or line.markers
    shape = {"color": line.colour, "width": 2, "dash": line.dash}
    number = ":.1%" if percent else ":.4~g"
    trace: Figure = {
        "type": "scatter",
        "mode": "lines+markers" if few else "lines",
        "name": line.name,
        "x": at.tolist(),
        "y": _known(values),
        "line": shape,
        "marker": {"size": 5, "color": line.colour},
        "hovertemplate": f"%{{y{number}}}",
        "connectgaps": False,
    }
    if line.errors is not None:
        up, down = (_known(reach) for reach in line.errors)
        bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
        trace["error_y"] = bars | {"color": line.colour, "thickness": 1.2, "width": 3}
    width = smooth or len(steps) // SMOOTHED_SHARE
    if width < 2 or few:
        return [trace]
    _, (mean,) = thinned(steps, [smoothed(line.values, width)], MOST_POINTS)
    thin = shape | {"width": 1, "dash": "solid"}
    pale = trace | {"opacity": 0.28, "line": thin, "hoverinfo": "skip", "showlegend": False}
    del pale["hovertemplate"]
    return [pale, trace | {"y": _known(mean)}]


def _known(values: Array) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 6) for value in values.tolist()]
