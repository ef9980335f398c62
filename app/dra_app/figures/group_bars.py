"""Rewards and advantages of a group's completions as bars, all in the order of the heat map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dra_app.data.group_detail import CompletionView, GroupView
from dra_app.figures.svg import NOT_KNOWN, Cell, Scale, around, figure, key, line, rect, short, text, y_axis

WIDTH, HEIGHT = 400.0, 188.0
LEFT, TOP, BOTTOM = 48.0, 12.0, 34.0
NUMBERED = 32
"""Largest group whose bars are numbered."""
FUNCTIONS = 6
"""Colours for reward functions; beyond that they repeat."""

Value = Callable[[CompletionView], float | None]


def rewards(view: GroupView, name: str) -> str:
    """Return raw against adjusted total reward."""
    return pairs(
        view,
        f"{name}-rewards",
        "Reward: raw and adjusted",
        "total reward",
        (("raw", "raw", lambda c: c.total), ("adjusted", "adjusted", lambda c: c.adjusted)),
    )


def advantages(view: GroupView, name: str) -> str:
    """Return plain advantages against those that the trainer used, flips marked."""
    return pairs(
        view,
        f"{name}-advantages",
        "Advantage: plain and as trained",
        "advantage",
        (("plain", "plain", lambda c: c.plain), ("trained", "as trained", lambda c: c.advantage)),
        marked=lambda c: c.flip,
        mark_said="sign flipped",
    )


def pairs(
    view: GroupView,
    name: str,
    title: str,
    unit: str,
    series: Sequence[tuple[str, str, Value]],
    *,
    marked: Callable[[CompletionView], bool] = lambda c: False,
    mark_said: str = "",
) -> str:
    """Return bars side by side for each completion: class of the style sheet, name, value; some of them marked."""
    bars = [view.completions[i] for i in view.order]
    low, high = around((value(c) for c in bars for _, _, value in series), room=0.14)
    y, slot = _scales(low, high, len(bars))
    wide = min(18.0, slot * 0.8 / len(series))
    parts = [y_axis(y, LEFT, WIDTH - 4, unit)]
    for place, c in enumerate(bars):
        middle = LEFT + (place + 0.5) * slot
        said = f"completion {c.index}: " + ", ".join(f"{what} {short(value(c), 4)}" for _, what, value in series)
        inside = [
            _bar(middle + (k - len(series) / 2) * wide, wide, y, 0.0, value(c), kind)
            for k, (kind, _, value) in enumerate(series)
        ]
        if marked(c):
            inside.append(text(middle, TOP + 7, "⇅", "flip-mark"))
        parts.append(_completion(c, place, slot, "".join(inside), said, len(bars)))
    items = [(kind, what) for kind, what, _ in series]
    if any(map(marked, bars)):
        items.append(("flip-key", f"⇅ {mark_said}"))
    head: list[Cell] = ["completion", *(what for _, what, _ in series), *([mark_said] if mark_said else [])]
    rows = [head] + [
        [c.index, *(value(c) for _, _, value in series), *([marked(c)] if mark_said else [])] for c in view.completions
    ]
    return figure(title, "".join(parts) + _across(), (WIDTH, HEIGHT), rows=rows, name=name, legend=key(*items))


def reward_functions(view: GroupView, name: str) -> str:
    """Return what each reward function adds to the total, stacked; what takes away hangs below zero."""
    bars = [view.completions[i] for i in view.order]
    sums = [[sum(v for v in c.parts.values() if v and v * sign > 0) for sign in (1, -1)] for c in bars]
    low, high = around([value for pair in sums for value in pair])
    y, slot = _scales(low, high, len(bars))
    wide = min(30.0, slot * 0.7)
    parts = [y_axis(y, LEFT, WIDTH - 4, "reward \u00d7 weight")]
    for place, c in enumerate(bars):
        left = LEFT + (place + 0.5) * slot - wide / 2
        ends, inside = {1: 0.0, -1: 0.0}, []
        for k, function in enumerate(view.functions):
            value = c.parts[function]
            if value:
                sign = 1 if value > 0 else -1
                inside.append(_bar(left, wide, y, ends[sign], ends[sign] + value, f"fn{k % FUNCTIONS}"))
                ends[sign] += value
        said = f"completion {c.index}: " + ", ".join(
            f"{function} {'abstained' if c.parts[function] is None else short(c.parts[function])}"
            for function in view.functions
        )
        parts.append(_completion(c, place, slot, "".join(inside), said, len(bars)))
    return figure(
        "Reward functions, weighted",
        "".join(parts) + _across(),
        (WIDTH, HEIGHT),
        rows=[["completion", *view.functions], *([c.index, *c.parts.values()] for c in view.completions)],
        name=f"{name}-reward-functions",
        legend=key(*((f"fn{k % FUNCTIONS}", function) for k, function in enumerate(view.functions))),
    )


def _across() -> str:
    """Return the title of the axis across."""
    return text((LEFT + WIDTH - 4) / 2, HEIGHT - 4, "completion", "axis")


def _scales(low: float, high: float, count: int) -> tuple[Scale, float]:
    return Scale(low, high, HEIGHT - BOTTOM, TOP), (WIDTH - 4 - LEFT) / max(1, count)


def _bar(x: float, width: float, y: Scale, start: float, end: float | None, kind: str) -> str:
    if end is None:
        return text(x + width / 2, y(0.0) - 3, NOT_KNOWN, "tick")
    top, bottom = sorted((y(start), y(end)))
    if start == end:
        return line(x, top, x + width, top, f"{kind} flat")
    return rect(x, top, width - 1, max(bottom - top, 0.8), kind)


def _completion(c: CompletionView, place: int, slot: float, inside: str, said: str, count: int) -> str:
    """Return one completion's bars over a field that answers to the pointer, with its number below."""
    x = LEFT + place * slot
    label = text(x + slot / 2, HEIGHT - BOTTOM + 15, c.index) if count <= NUMBERED else ""
    field = rect(x, TOP, slot, HEIGHT - BOTTOM - TOP, "field", title=said)
    return f'<g class="bar" data-i="{c.index}">{field}{inside}{label}</g>'
