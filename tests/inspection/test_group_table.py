"""The table of groups fits any terminal, and never cuts a number."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.inspection.group_list import SORTS, GroupRow
from dra_toolkit.inspection.selection import Page
from dra_toolkit.inspection.views import step_view


def lines(width: int, *, sort: str = "index", prompt: str = "What is 21 + 46? " * 20) -> list[str]:
    rows = tuple(
        GroupRow(
            mode="train",
            step=123_456 + i,
            batch=i,
            index=1_000 + i,
            prompt_hash="0" * 16,
            prompt=prompt,
            measures=dict.fromkeys(GROUP_MEASURES, 98.765)
            | {"flips": 128.0, "distinct_ratio": 0.5, "zero_spread": 1.0},
        )
        for i in range(3)
    )
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False)
    console.print(step_view(Page(rows=rows, offset=0, total=3), title="a run", width=width, sort=sort))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("sort", SORTS)
def test_numbers_are_whole_and_lines_fit(width, sort):
    shown = lines(width, sort=sort)
    assert max(map(len, shown)) <= width
    first = next(line for line in shown if "123456" in line).split()
    assert first[:3] == ["123456", "0", "1000"]
    assert "=d±128" in first
    assert any(word.startswith("What") for word in first), "the prompt keeps some room"
    assert all("…" not in word for word in first[: first.index("=d±128")])


@pytest.mark.parametrize("sort", [name for name in GROUP_MEASURES if name not in ("flips", "zero_spread")])
def test_what_is_sorted_by_is_shown(sort):
    assert f" {GROUP_MEASURES[sort].short} " in lines(80, sort=sort)[1]


def test_a_wide_terminal_shows_every_column():
    assert lines(160)[1].split() == [
        *("step", "batch", "group", "simil.", "reward", "adjusted", "correct", "distinct", "spread", "Vendi"),
        *("marks", "prompt"),
    ]
