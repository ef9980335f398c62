"""The measures of one prompt by step, as small curves; a click on a point chooses its group."""

from __future__ import annotations

from collections.abc import Sequence

from dra_app.figures.svg import Cell, Scale, around, escaped, figure, key, short, text, ticks, y_axis
from dra_toolkit.inspection.group_list import GroupRow

WIDTH, HEIGHT = 320.0, 150.0
LEFT, TOP, BOTTOM = 46.0, 10.0, 32.0
CURVES = (
    ("Reward", "mean total reward", (("raw", "raw", "reward"), ("adjusted", "adjusted", "adjusted"))),
    ("Correct", "share of completions", (("correct", "correct", "correct_share"),)),
    ("Similarity", "mean of pairs", (("similarity", "similarity", "similarity"),)),
    ("Vendi score", "effective completions", (("vendi", "Vendi score", "vendi_score"),)),
    ("Answers", "different answers", (("answers", "different final answers", "distinct_answers"),)),
    (
        "Advantage",
        "mean |A|",
        (("plain", "plain", "abs_advantage_plain"), ("trained", "as trained", "abs_advantage")),
    ),
)
"""Title, unit, and the series: class of the style sheet, name, measure."""


def curves(rows: Sequence[GroupRow], name: str, chosen: tuple[int, int] = (-1, -1)) -> str:
    """Return the curves of all measures that are known; the places of two chosen groups are marked."""
    drawn = [_curve(rows, name, chosen, *each) for each in CURVES]
    return f'<div class="dra-figures small">{"".join(drawn)}</div>'


def _curve(
    rows: Sequence[GroupRow],
    name: str,
    chosen: tuple[int, int],
    title: str,
    unit: str,
    series: tuple[tuple[str, str, str], ...],
) -> str:
    values = {measure: [row.measures[measure] for row in rows] for _, _, measure in series}
    known = [value for found in values.values() for value in found if value is not None]
    if not known:
        return ""
    low, high = around(known, zero=min(known) >= 0)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    first, last = rows[0].step, rows[-1].step
    x = Scale(first, last, LEFT + 6, WIDTH - 10)
    parts = [y_axis(y, LEFT, WIDTH - 4, unit, count=3)]
    for step in ticks(first, last, 4):
        if step == int(step):
            parts.append(text(x(step), HEIGHT - BOTTOM + 13, f"{int(step):,}"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 4, "step", "axis"))
    for kind, said, measure in series:
        parts.append(_line(rows, values[measure], x, y, kind, said, chosen))
    head: list[Cell] = ["step", "batch", "group", *(said for _, said, _ in series)]
    data = [[row.step, row.batch, row.index, *(row.measures[m] for m in values)] for row in rows]
    legend = key(*((kind, said) for kind, said, _ in series)) if len(series) > 1 else '<div class="dra-legend"></div>'
    return figure(
        title, "".join(parts), (WIDTH, HEIGHT), rows=[head, *data], name=f"{name}-{series[-1][2]}", legend=legend
    )


def _line(
    rows: Sequence[GroupRow],
    values: Sequence[float | None],
    x: Scale,
    y: Scale,
    kind: str,
    said: str,
    chosen: tuple[int, int],
) -> str:
    path, points, pen = [], [], "M"
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is None:
            pen = "M"
            continue
        at = x(row.step), y(value)
        path.append(f"{pen}{at[0]:g} {at[1]:g}")
        pen = "L"
        mark = " chosen" if place in chosen else ""
        title = escaped(f"step {row.step}: {said} {short(value)}")
        points.append(
            f'<circle class="point {kind}{mark}" cx="{at[0]:g}" cy="{at[1]:g}" r="{4.5 if mark else 2.6}" '
            f'data-place="{place}"><title>{title}</title></circle>'
        )
    return f'<path class="curve {kind}" d="{"".join(path)}"/>{"".join(points)}'
