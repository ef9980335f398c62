"""The figures of a group: the similarity map, and rewards and advantages as bars in its order."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from dra_app.figure import Cell, figure, key, marks
from dra_app.group_view import CompletionView, GroupView
from dra_app.palette import FUNCTIONS
from dra_app.templates import part
from dra_toolkit.drawing.axes import Scale, around, ticks, y_axis
from dra_toolkit.drawing.number_columns import ticked
from dra_toolkit.drawing.numbers import NOT_KNOWN, short
from dra_toolkit.drawing.similarity_map import others, similarity_map
from dra_toolkit.drawing.svg import line, rect, text
from dra_toolkit.groups import Array

WIDTH, HEIGHT = 400.0, 188.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 4.0, 12.0, 34.0
NUMBERED = 24
"""Bars that are numbered; of more every second, third ... one is."""
APART = 4.0
"""Times by which one series must be smaller than the other to be given an axis of its own."""

Value = Callable[[CompletionView], float | None]
Series = tuple[str, str, Value]
"""Class of the style sheet, name, value."""


def rewards(view: GroupView, name: str) -> str:
    """Return raw against adjusted total reward."""
    series: tuple[Series, ...] = (("raw", "raw", lambda c: c.total), ("adjusted", "adjusted", lambda c: c.adjusted))
    return pairs(view, f"{name}-rewards", "Reward: raw and adjusted", "total reward", series)


def advantages(view: GroupView, name: str) -> str:
    """Return plain advantages against those that the trainer used, flips marked."""
    series: tuple[Series, ...] = (
        ("plain", "plain", lambda c: c.plain),
        ("trained", "as trained", lambda c: c.advantage),
    )
    return pairs(view, f"{name}-advantages", "Advantage: plain and as trained", "advantage", series, lambda c: c.flip)


def pairs(
    view: GroupView,
    name: str,
    title: str,
    unit: str,
    series: Sequence[Series],
    flipped: Callable[[CompletionView], bool] | None = None,
) -> str:
    """Return bars side by side for each completion.

    What is much smaller than the rest, as advantages divided by nothing are, has an axis of its own, on the right.
    flipped: of advantages, those that have another sign.
    """
    bars = [view.completions[i] for i in view.order]
    times = _times_seen(bars, series)
    factor = max(times)
    seen = list(zip(series, times, strict=True))
    values = [[None if (v := value(c)) is None else v * of for (_, _, value), of in seen] for c in bars]
    right = WIDTH - (44 if factor > 1 else RIGHT)
    y = Scale(*around((value for row in values for value in row), room=0.14), HEIGHT - BOTTOM, TOP)
    slot = (right - LEFT) / max(1, len(bars))
    wide = min(18.0, slot * 0.8 / len(series))
    axis = [y_axis(y, LEFT, right, unit)]
    if factor > 1:
        small = ticks(y.low / factor, y.high / factor, 4)
        axis += [
            text(right + 4, y(value * factor) + 3.5, said, "tick second", anchor="start")
            for value, said in zip(small, ticked(small), strict=True)
        ]
    drawn = []
    for place, (c, row) in enumerate(zip(bars, values, strict=True)):
        left = LEFT + (place + 0.5) * slot - len(series) / 2 * wide
        inside = [_bar(left + k * wide, wide, y, 0.0, value, series[k][0]) for k, value in enumerate(row)]
        if flipped and flipped(c):
            inside.append(text(LEFT + (place + 0.5) * slot, TOP + 7, "⇅", "flip-mark"))
        drawn.append((inside, ", ".join(f"{what} {short(value(c), 4)}" for _, what, value in series)))
    items = [(kind, f"{what} (axis on the right)" if of > 1 else what) for (kind, what, _), of in seen]
    if flipped and any(map(flipped, bars)):
        items.append(("flip-key", "⇅ sign flipped"))
    columns: dict[str, Value] = {what: value for _, what, value in series} | (
        {"sign flipped": flipped} if flipped else {}
    )
    return _figure(view, name, title, [*axis, *_completions(bars, slot, drawn)], columns, items)


def reward_functions(view: GroupView, name: str) -> str:
    """Return what each reward function adds to the total, stacked; what takes away hangs below zero."""
    bars = [view.completions[i] for i in view.order]
    sums = (sum(v for v in c.parts.values() if v and v * sign > 0) for c in bars for sign in (1, -1))
    y, slot = Scale(*around(sums), HEIGHT - BOTTOM, TOP), (WIDTH - RIGHT - LEFT) / max(1, len(bars))
    wide = min(30.0, slot * 0.7)
    drawn = []
    for place, c in enumerate(bars):
        left, ends, inside = LEFT + (place + 0.5) * slot - wide / 2, {True: 0.0, False: 0.0}, []
        for k, value in enumerate(c.parts[function] for function in view.functions):
            if value:
                end = ends[value > 0] + value
                inside.append(_bar(left, wide, y, ends[value > 0], end, function_class(k)))
                ends[value > 0] = end
        if abstained := sum(value is None for value in c.parts.values()):
            inside.append(text(left + wide / 2, y(ends[True]) - 3, f"∅{abstained if abstained > 1 else ''}"))
        said = (f"{name} {'abstained' if value is None else short(value)}" for name, value in c.parts.items())
        drawn.append((inside, ", ".join(said)))
    items = [(function_class(k), function) for k, function in enumerate(view.functions)]
    if any(value is None for c in bars for value in c.parts.values()):
        items.append(("flip-key", "∅ abstained"))
    parts = [y_axis(y, LEFT, WIDTH - RIGHT, "reward \u00d7 weight"), *_completions(bars, slot, drawn)]
    columns: dict[str, Value] = {each: lambda c, each=each: c.parts[each] for each in view.functions}  # type: ignore[misc]
    return _figure(view, f"{name}-reward-functions", "Reward functions, weighted", parts, columns, items)


def _figure(
    view: GroupView,
    name: str,
    title: str,
    parts: Sequence[str],
    columns: Mapping[str, Value],
    items: Sequence[tuple[str, str]],
) -> str:
    """Return bars in their frame, the numbers by column beside them."""
    across = text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "completion", "axis")
    rows: list[list[Cell]] = [["completion", *columns]]
    rows += [[c.index, *(value(c) for value in columns.values())] for c in view.completions]
    drawing = marks(WIDTH, HEIGHT, title, "".join([*parts, across]))
    return figure(title, drawing, rows=rows, name=name, legend=key(*items))


def function_class(number: int) -> str:
    """Return the class of a reward function's colour; hatched where the colours begin again."""
    return f"fn{(number + 2) % FUNCTIONS}{' again' if number >= FUNCTIONS else ''}"


def _times_seen(bars: Sequence[CompletionView], series: Sequence[Series]) -> list[float]:
    """Return by how much each series is to be stretched to be seen beside the largest: all that are by as much, or by 1."""
    peaks = [max((abs(value(c) or 0.0) for c in bars), default=0.0) for _, _, value in series]
    small = [peak for peak in peaks if 0 < peak * APART < max(peaks)]
    return [max(peaks) / max(small) if peak in small else 1.0 for peak in peaks]


def _bar(x: float, width: float, y: Scale, start: float, end: float | None, kind: str) -> str:
    if end is None:
        return text(x + width / 2, y(0.0) - 3, NOT_KNOWN, "tick")
    top, bottom = sorted((y(start), y(end)))
    if start == end:
        return line(x, top, x + width, top, f"{kind} flat")
    return rect(x, top, max(width - 1, width * 0.8), max(bottom - top, 0.8), kind)


def _completions(bars: Sequence[CompletionView], slot: float, drawn: Sequence[tuple[list[str], str]]) -> Iterator[str]:
    """Yield each completion's bars over a field that answers to the pointer, with its number below."""
    every = -(-len(bars) // NUMBERED)
    for place, (c, (inside, said)) in enumerate(zip(bars, drawn, strict=True)):
        x = LEFT + place * slot
        label = text(x + slot / 2, HEIGHT - BOTTOM + 15, c.index) if place % every == 0 else ""
        field = rect(x, TOP, slot, HEIGHT - BOTTOM - TOP, "field", title=f"completion {c.index}: {said}")
        yield f'<g class="bar" data-i="{c.index}" data-read="{c.index}">{field}{"".join(inside)}{label}</g>'


def map_figure(
    view: GroupView,
    name: str,
    *,
    chosen: tuple[int, int] | None = None,
    is_stretched: bool = False,
    compares: bool = True,
) -> str:
    """Return the similarity map in its frame; compares: a click on a cell compares two completions."""
    if not view.measured:
        return part("groups", "map_unmeasured")
    S = view.similarity
    span = stretched(S) if is_stretched else (0.0, 1.0)
    legend = part("groups", "map_legend", span, bool((S < 0).any()), is_stretched, compares)
    rows = [["completion", *range(len(S))], *([i, *row] for i, row in enumerate(S.round(7).tolist()))]
    drawing = similarity_map(S, order=view.order, chosen=chosen, span=span)
    return figure("Similarity of completions", drawing, rows=rows, name=f"{name}-similarity", legend=legend)


def stretched(similarity: Array) -> tuple[float, float]:
    """Return the span from the smallest to the largest similarity of different completions."""
    found = others(similarity)
    if not found.size or found.min() == found.max():
        return 0.0, 1.0
    return float(np.floor(found.min() * 100) / 100), float(np.ceil(found.max() * 100) / 100)
