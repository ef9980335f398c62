"""Groups as a table that fits the terminal: of one step, or of several with their steps."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.inspection.group_list import IN_ORDER, GroupPage, GroupRow
from dra_toolkit.inspection.terminal import number, short, table
from dra_toolkit.inspection.views import MARKS
from dra_toolkit.safe_text import visible

Cell = Callable[[GroupRow], str]
_DIGITS = {
    "reward": 2,
    "reward_spread": 2,
    "adjusted": 2,
    "similarity": 2,
    "vendi_score": 1,
    "distinct_ratio": 2,
    "correct_share": 2,
}
"""Measure -> digits behind the point, in the order of the columns."""
_DROPPED = ("distinct_ratio", "adjusted", "reward_spread", "vendi_score", "correct_share", "reward", "similarity")
"""What a narrow terminal does without, the first one first."""
_PROMPT = 20
"""Characters that the prompts get at least."""
_IN_MARKS = ("flips", "zero_spread")
"""Measures that the marks show."""


def step_view(page: GroupPage, *, title: str, width: int, sort: str = IN_ORDER) -> RenderableType:
    """Return a page of groups as a table of at most `width` characters; a measure sorted by always has its column."""
    columns = _columns(page, sort)
    for name in _DROPPED:
        if name != sort and _width(columns) + _PROMPT > width:
            columns.pop(name, None)
    rows = (
        [*(cells[i] for _, cells in columns.values()), _marks(group), _prompt(group, width)]
        for i, group in enumerate(page.rows)
    )
    shown = table([*(f">{head}" for head, _ in columns.values()), "marks", "prompt"], rows)
    shown.columns[-2].no_wrap = True
    heading = Text(visible(title, one_line=True), "bold", no_wrap=True, overflow="ellipsis")
    return Group(heading, shown, Text(MARKS, "dim"))


def _columns(page: GroupPage, sort: str) -> dict[str, tuple[str, list[str]]]:
    """Return head and cells of each column but the last two, by name."""
    cells: dict[str, tuple[str, Cell]] = {}
    if len({(group.mode, group.step) for group in page.rows}) > 1:
        cells["step"] = "step", lambda group: str(group.step)
    if any(group.batch for group in page.rows):
        cells["batch"] = "batch", lambda group: str(group.batch)
    cells["group"] = "group", lambda group: str(group.index)
    cells |= {name: (GROUP_MEASURES[name].short, _cell(name, digits)) for name, digits in _DIGITS.items()}
    if sort not in (IN_ORDER, *_IN_MARKS, *cells):
        cells[sort] = GROUP_MEASURES[sort].short, lambda group: short(group[sort])
    return {name: (head, [cell(group) for group in page.rows]) for name, (head, cell) in cells.items()}


def _cell(name: str, digits: int) -> Cell:
    return lambda group: number(group[name], digits)


def _width(columns: dict[str, tuple[str, list[str]]]) -> int:
    return sum(1 + max(map(len, [head, *cells])) for head, cells in columns.values()) + len(" marks  ")


def _prompt(group: GroupRow, width: int) -> Text:
    return Text(visible(group.prompt, one_line=True)[:width], no_wrap=True, overflow="ellipsis")


def _marks(group: GroupRow) -> Text:
    marks = Text()
    marks.append("=" if group["zero_spread"] else " ", "yellow")
    marks.append("d" if group["distinct_ratio"] < 1 else " ", "magenta")
    marks.append(f"±{group['flips']:.0f}" if group["flips"] else "", "bold")
    return marks
