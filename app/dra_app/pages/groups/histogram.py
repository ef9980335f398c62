"""The groups of a step counted by one measure; a click on a bar keeps only its groups."""

from __future__ import annotations

from dra_app.figure import Cell, figure, marks
from dra_app.step_groups import StepGroups
from dra_toolkit.drawing.numbers import short
from dra_toolkit.drawing.svg import Scale, line, rect, text, y_axis
from dra_toolkit.group_measures import GROUP_MEASURES

WIDTH, HEIGHT = 400.0, 132.0
LEFT, TOP, BOTTOM = 40.0, 8.0, 32.0


def step_histogram(groups: StepGroups, name: str) -> str:
    """Return the histogram of a step's groups."""
    measure, bins = groups.view.measure, groups.bins
    if not bins:
        return f'<p class="dra-empty">No group of this step has a value of <b>{measure}</b>.</p>'
    most = max(bin.groups for bin in bins)
    y = Scale(0, most * 1.05, HEIGHT - BOTTOM, TOP)
    low, high = bins[0].low, bins[-1].high
    slot = (WIDTH - 6 - LEFT) / len(bins)
    parts = [y_axis(y, LEFT, WIDTH - 6, "groups", count=min(3, most))]
    for place, each in enumerate(bins):
        x = LEFT + place * slot
        said = (
            f"{measure} {short(each.low)} to {short(each.high)}: {each.groups} group{'' if each.groups == 1 else 's'}"
        )
        edges = f'data-low="{each.low!r}" data-high="{each.high!r}" tabindex=0 role=button' if each.groups else ""
        height = HEIGHT - BOTTOM - y(each.groups)
        parts.append(rect(x, y(each.groups), slot - 1, height, "bin" if each.chosen else "bin off"))
        field = rect(x, TOP, slot, HEIGHT - BOTTOM - TOP, "field", title=said, rest=edges)
        parts.append(field)
    parts.append(line(LEFT, HEIGHT - BOTTOM, WIDTH - 6, HEIGHT - BOTTOM, "zero"))
    middle = (LEFT + WIDTH - 6) / 2
    ends = ((LEFT, low, "start"), (WIDTH - 6, high, "end")) if low != high else ((middle, low, "middle"),)
    parts += [text(x, HEIGHT - BOTTOM + 13, short(value), anchor=anchor) for x, value, anchor in ends]
    parts.append(text(middle, HEIGHT - 4, GROUP_MEASURES[measure].meaning, "axis"))
    rows: list[list[Cell]] = [["low", "high", "groups"]]
    rows += [[each.low, each.high, each.groups] for each in bins]
    drawing = marks(WIDTH, HEIGHT, f"Groups by {measure}", "".join(parts), 'data-histogram="1"')
    drawing = drawing.replace('role="img"', 'role="group"')  # its bars are buttons
    return figure(
        f"Groups by {measure.replace('_', ' ')}",
        drawing,
        rows=rows,
        name=f"{name}-{measure}",
    )
