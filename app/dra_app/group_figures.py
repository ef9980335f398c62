"""The figures of a group: the similarity map, and rewards and advantages as bars in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dra_app.figure import Cell, figure, key, marks
from dra_app.group_view import CompletionView, GroupView
from dra_app.palette import FUNCTIONS
from dra_app.templates import part
from dra_toolkit.drawing.numbers import NOT_KNOWN, short
from dra_toolkit.drawing.similarity_map import similarity_map, stretched
from dra_toolkit.drawing.svg import Scale, around, line, rect, text, ticks, y_axis

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

    flipped: of advantages, those that have another sign; then a last series that is much smaller than the first, as
    advantages divided by nothing are, has an axis of its own, on the right.
    """
    bars = [view.completions[i] for i in view.order]
    factor = _factor(bars, series) if flipped else 1.0
    times = [1.0] * (len(series) - 1) + [factor]
    low, high = around(
        (_times(value(c), f) for c in bars for (_, _, value), f in zip(series, times, strict=True)), room=0.14
    )
    right = WIDTH - (44 if factor > 1 else RIGHT)
    y, slot = Scale(low, high, HEIGHT - BOTTOM, TOP), (right - LEFT) / max(1, len(bars))
    wide = min(18.0, slot * 0.8 / len(series))
    parts = [y_axis(y, LEFT, right, unit)]
    if factor > 1:
        parts += [
            text(right + 4, y(value * factor) + 3.5, short(value), f"tick second {series[-1][0]}", anchor="start")
            for value in ticks(low / factor, high / factor, 4)
        ]
    for place, c in enumerate(bars):
        middle = LEFT + (place + 0.5) * slot
        said = f"completion {c.index}: " + ", ".join(f"{what} {short(value(c), 4)}" for _, what, value in series)
        inside = [
            _bar(middle + (k - len(series) / 2) * wide, wide, y, 0.0, _times(value(c), times[k]), kind)
            for k, (kind, _, value) in enumerate(series)
        ]
        if flipped and flipped(c):
            inside.append(text(middle, TOP + 7, "⇅", "flip-mark"))
        parts.append(_completion(c, place, slot, "".join(inside), said, len(bars)))
    items = [(kind, what) for kind, what, _ in series]
    if factor > 1:
        items[-1] = (series[-1][0], f"{series[-1][1]} (axis on the right)")
    if flipped and any(map(flipped, bars)):
        items.append(("flip-key", "⇅ sign flipped"))
    head: list[Cell] = ["completion", *(what for _, what, _ in series), *(["sign flipped"] if flipped else [])]
    rows = [head] + [
        [c.index, *(value(c) for _, _, value in series), *([flipped(c)] if flipped else [])] for c in view.completions
    ]
    drawing = marks(WIDTH, HEIGHT, title, "".join(parts) + _across())
    return figure(title, drawing, rows=rows, name=name, legend=key(*items))


def reward_functions(view: GroupView, name: str) -> str:
    """Return what each reward function adds to the total, stacked; what takes away hangs below zero."""
    bars = [view.completions[i] for i in view.order]
    sums = [[sum(v for v in c.parts.values() if v and v * sign > 0) for sign in (1, -1)] for c in bars]
    low, high = around([value for pair in sums for value in pair])
    y, slot = Scale(low, high, HEIGHT - BOTTOM, TOP), (WIDTH - RIGHT - LEFT) / max(1, len(bars))
    wide = min(30.0, slot * 0.7)
    parts = [y_axis(y, LEFT, WIDTH - RIGHT, "reward \u00d7 weight")]
    for place, c in enumerate(bars):
        left = LEFT + (place + 0.5) * slot - wide / 2
        ends, inside = {1: 0.0, -1: 0.0}, []
        for k, function in enumerate(view.functions):
            value = c.parts[function]
            if value:
                sign = 1 if value > 0 else -1
                inside.append(_bar(left, wide, y, ends[sign], ends[sign] + value, function_class(k)))
                ends[sign] += value
        if abstained := sum(value is None for value in c.parts.values()):
            inside.append(text(left + wide / 2, y(ends[1]) - 3, f"∅{abstained if abstained > 1 else ''}"))
        said = f"completion {c.index}: " + ", ".join(
            f"{function} {'abstained' if c.parts[function] is None else short(c.parts[function])}"
            for function in view.functions
        )
        parts.append(_completion(c, place, slot, "".join(inside), said, len(bars)))
    items = [(function_class(k), function) for k, function in enumerate(view.functions)]
    if any(value is None for c in bars for value in c.parts.values()):
        items.append(("flip-key", "∅ abstained"))
    return figure(
        "Reward functions, weighted",
        marks(WIDTH, HEIGHT, "Reward functions, weighted", "".join(parts) + _across()),
        rows=[["completion", *view.functions], *([c.index, *c.parts.values()] for c in view.completions)],
        name=f"{name}-reward-functions",
        legend=key(*items),
    )


def function_class(number: int) -> str:
    """Return the class of a reward function's colour; hatched where the colours begin again."""
    return f"fn{(number + 2) % FUNCTIONS}{' again' if number >= FUNCTIONS else ''}"


def _factor(bars: Sequence[CompletionView], series: Sequence[Series]) -> float:
    """Return by how much the last series is to be stretched to be seen beside the first; 1 for not at all."""
    first, last = (max((abs(s[2](c) or 0.0) for c in bars), default=0.0) for s in (series[0], series[-1]))
    return first / last if 0 < last * APART < first else 1.0


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _across() -> str:
    """Return the title of the axis across."""
    return text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "completion", "axis")


def _bar(x: float, width: float, y: Scale, start: float, end: float | None, kind: str) -> str:
    if end is None:
        return text(x + width / 2, y(0.0) - 3, NOT_KNOWN, "tick")
    top, bottom = sorted((y(start), y(end)))
    if start == end:
        return line(x, top, x + width, top, f"{kind} flat")
    return rect(x, top, max(width - 1, width * 0.8), max(bottom - top, 0.8), kind)


def _completion(c: CompletionView, place: int, slot: float, inside: str, said: str, count: int) -> str:
    """Return one completion's bars over a field that answers to the pointer, with its number below."""
    x = LEFT + place * slot
    every = -(-count // NUMBERED)
    label = text(x + slot / 2, HEIGHT - BOTTOM + 15, c.index) if place % every == 0 else ""
    field = rect(x, TOP, slot, HEIGHT - BOTTOM - TOP, "field", title=said)
    return f'<g class="bar" data-i="{c.index}" data-read="{c.index}">{field}{inside}{label}</g>'


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
    rows = [["completion", *range(len(S))], *([i, *row] for i, row in enumerate(S.tolist()))]
    drawing = similarity_map(S, order=view.order, chosen=chosen, span=span)
    return figure("Similarity of completions", drawing, rows=rows, name=f"{name}-similarity", legend=legend)
