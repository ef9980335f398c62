"""Several runs of one setting as one line with its interval, and all runs as lines across their settings and outcomes."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from markupsafe import Markup

from dra_app.figure import Cell, figure, marks
from dra_app.palette import series
from dra_toolkit.drawing.axes import Scale
from dra_toolkit.drawing.curves import Line
from dra_toolkit.drawing.numbers import short
from dra_toolkit.drawing.svg import escaped, line, text
from dra_toolkit.groups import Array
from dra_toolkit.inspection.comparison import half_interval

WIDTH, APART, HEIGHT, SIDE, TOP, BOTTOM = 900.0, 88.0, 260.0, 60.0, 34.0, 16.0
MOST_LABELS = 16


def joined(lines: Sequence[Line], settings: Sequence[str]) -> list[Line]:
    """Return a line for each setting: the mean of its runs at the steps that all have, with its interval."""
    found = []
    for place, setting in enumerate(dict.fromkeys(settings)):
        own = [line for line, each in zip(lines, settings, strict=True) if each == setting and len(line.steps)]
        if not own:
            continue
        steps = reduce(np.intersect1d, [line.steps for line in own])
        values = np.array([line.values[np.searchsorted(line.steps, steps)] for line in own])
        ink, dash = series(place)
        low, high = _interval(values) if len(own) > 1 else (None, None)
        name = f"{setting} ({len(own)} runs)" if len(own) > 1 else setting
        mean = values.mean(axis=0)
        found.append(Line(name=name, steps=steps, values=mean, colour=ink, dash=dash, low=low, high=high, of=own[0].of))
    return found


def _interval(values: Array) -> tuple[Array, Array]:
    """Return the 95 % interval of the mean over the first axis."""
    mean, half = values.mean(axis=0), np.array([half_interval(column) for column in values.T])
    return mean - half, mean + half


def across(names: Sequence[str], columns: dict[str, list[Cell]], name: str) -> Markup:
    """Return parallel coordinates: an axis for each column, a line for each run; nothing for fewer than two columns."""
    if len(columns) < 2:
        return Markup("")
    width = max(WIDTH, len(columns) * APART)
    gap = (width - 2 * SIDE) / (len(columns) - 1)
    places, room = {key: SIDE + i * gap for i, key in enumerate(columns)}, int(gap / 6)
    scales = {key: _scale(values) for key, values in columns.items()}
    parts, values = list[str](), list[str]()
    for i, (key, x) in enumerate(places.items()):
        parts.append(line(x, TOP, x, HEIGHT - BOTTOM, "zero", 'stroke="currentColor"'))
        parts.append(text(x, 12 if i % 2 else 24, _cut(key.replace("_", " "), 2 * room), "axis"))
        shown = {scales[key][value]: value for value in columns[key] if value in scales[key]}
        if any(isinstance(value, float) for value in shown.values()) or len(shown) > MOST_LABELS:
            shown = {y: shown[y] for y in (min(shown), max(shown))}
        for y, value in shown.items():
            said = short(value) if isinstance(value, float) else str(value)
            values.append(text(x + 5, y - 4, _cut(said, room), "tick over", anchor="start"))
    for i, run in enumerate(names):
        points = [(places[key], scales[key].get(columns[key][i])) for key in columns]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points if y is not None)
        stroke = f'style="stroke:{series(i)[0]}" stroke-dasharray="{series(i)[1]}" stroke-width="2" fill="none"'
        parts.append(f'<path d="{path}" {stroke}><title>{escaped(run)}</title></path>')
    rows: list[list[Cell]] = [["run", *columns], *([n, *row] for n, row in zip(names, zip(*columns.values())))]  # noqa: B905
    drawing = marks(width, HEIGHT, "Settings and outcomes of the runs", "".join([*parts, *values]))
    return figure("Settings and outcomes", drawing, rows=rows, name=f"{name}-across")


def _scale(values: Sequence[Cell]) -> dict[Cell, float]:
    """Return where each value stands: numbers by size, other values in order at equal distances."""
    known = list(dict.fromkeys(value for value in values if value is not None and value == value))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known) and known:
        scale = Scale(min(known), max(known), HEIGHT - BOTTOM - 6, TOP + 8)  # type: ignore[arg-type]
        return {value: scale(value) for value in known}  # type: ignore[arg-type]
    scale = Scale(0, max(1, len(known) - 1), HEIGHT - BOTTOM - 6, TOP + 8)
    return {value: scale(place) for place, value in enumerate(sorted(known, key=str))}


def _cut(said: str, room: int) -> str:
    return said if len(said) <= room else f"{said[: room - 1]}…"
