"""Whatever a model, a recipe or a folder's name says: lists show it as visible characters, within the terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import record
from rich.cells import cell_len
from rich.console import Console

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.inspection.comparison import COMPARED, Comparison, Curve, PromptPair
from dra_toolkit.inspection.group_list import GroupRow, Pair, PromptHistory, RunRow, word_differences
from dra_toolkit.inspection.group_numbers import answers_told
from dra_toolkit.inspection.near import Neighbour
from dra_toolkit.inspection.overview import Note, RunOverview, Sign, StepOverview
from dra_toolkit.inspection.selection import Page
from dra_toolkit.inspection.terminal import rows_view
from dra_toolkit.inspection.text_search import Hit, Hits
from dra_toolkit.inspection.views import (
    comparison_view,
    group_view,
    history_view,
    hits_view,
    neighbours_view,
    pairs_view,
    run_view,
    runs_view,
    step_view,
)

SGR = re.compile(r"\x1b\[[0-9;]*m")
WIDTH = 80
HOSTILE = st.one_of(
    st.text(st.characters(), max_size=60),
    st.sampled_from(
        [
            "\x1b[31mred\x1b[0m",
            "\x1b]8;;http://evil\x1b\\link",
            "[red]x[/red] :smile:",
            "\u202egnp.exe",
            "a\r\nb\x00",
            "\ud800",
            "<script>alert(1)</script>",
            "wide 文字 " * 30,
            "x" * 500,
        ]
    ),
)


def hit(text: str) -> Any:
    around = {"before": text, "found": text or "x", "after": text}
    row = Hit(mode="train", step=1, batch=1, group=2, completion=3, **around, times=2, turn=1, role=text)
    return hits_view(Hits(rows=(row,), offset=0, has_more=False, total=None))


def neighbour(text: str) -> Any:
    return neighbours_view([Neighbour(similarity=0.5, step=1, batch=0, group=2, completion=3, text=text)])


def group_row(text: str) -> GroupRow:
    measures = dict.fromkeys(GROUP_MEASURES, 0.5)
    return GroupRow(mode="train", step=1, batch=0, index=0, prompt_hash="0" * 16, prompt=text, measures=measures)


def groups(text: str) -> Any:
    return step_view(Page(rows=(group_row(text),), offset=0, total=1), title=text, width=WIDTH)


def history(text: str) -> Any:
    return history_view(PromptHistory(prompt_hash="0" * 16, prompt=text, rows=(group_row(text),) * 3), limit=2)


def pairs(text: str) -> Any:
    found = Pair(earlier=0, later=1, similarity=0.5, differences=word_differences(text, f"{text} and more"))
    return pairs_view([found], 1, 2)


def comparison(text: str) -> Any:
    prompt = PromptPair(
        prompt_hash="0" * 16, prompt=text, left_reward=0.0, right_reward=1.0, left_similarity=0.1, right_similarity=0.2
    )
    curves = tuple(Curve(measure=name, left=np.arange(9.0), right=np.arange(9.0)) for name in COMPARED)
    found = Comparison(
        left=text,
        right=text,
        settings={text: (text, None)},
        steps=tuple(range(9)),
        curves=curves,
        shared_prompts=1,
        mean_gap=1.0,
        gap_error=float("nan"),
        prompts=(prompt,),
    )
    return comparison_view(found, width=WIDTH)


def rows(text: str) -> Any:
    return rows_view([text, "n"], [(text, 1.0), ({text: [text]}, None)])


def runs(text: str) -> Any:
    numbers = {"steps": 1, "last_step": 1, "completions": 8, "reward": 0.5}
    fine = RunRow(name=text, path=text, state=text, differences={"model_name_or_path": text}, **numbers)
    broken = RunRow(name=text, path=text, state="unreadable", differences={}, problem=text, **numbers)
    return runs_view([fine, broken])


def summary(text: str) -> Any:
    step = StepOverview(step=1, groups=2, flips=3, means=dict.fromkeys(GROUP_MEASURES, 0.5))
    sign = Sign(what=text, before=0.0, after=1.0)
    overview = RunOverview(
        name=text,
        state=text,
        settings={"model_name_or_path": text, "reward_funcs": [text]},
        completions=8,
        steps=(step,),
        notes=(Note(name="note", says="says", signs=(sign, sign), advice="do"),),
        problems=(text,),
    )
    return run_view(overview, width=WIDTH)


VIEWS = [hit, neighbour, groups, history, pairs, comparison, rows, runs, summary]


def rendered(view: Any, *, colour: bool) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=colour,
        no_color=not colour,
        width=WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(view)
    return console.file.getvalue()


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.__name__)
def test_nothing_but_printable_text_within_the_terminal(view):
    @settings(deadline=None)
    @given(HOSTILE)
    def check(text: str) -> None:
        coloured = SGR.sub("", rendered(view(text), colour=True))
        assert all(c == "\n" or c.isprintable() for c in coloured)
        plain = rendered(view(text), colour=False)
        assert "\x1b" not in plain
        assert all(cell_len(line) <= WIDTH for line in plain.splitlines())

    check()


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.__name__)
def test_markup_is_shown_as_it_is_written(view):
    assert "[red]" in rendered(view("[red]x"), colour=False)


def test_a_long_difference_is_cut_and_says_so():
    pair = Pair(earlier=0, later=1, similarity=0.5, differences=word_differences("x" * 9_000, "y\n" * 9_000))
    shown = rendered(pairs_view([pair], 1, 2), colour=False)
    assert len(shown) < 2_000
    assert "8,800 characters …" in shown
    short = word_differences("add the ones", "add the tens")
    pair = Pair(earlier=0, later=1, similarity=0.5, differences=short)
    assert "add the [-ones-]{+tens+}" in rendered(pairs_view([pair], 1, 2), colour=False)
    assert "more characters" not in rendered(pairs_view([pair], 1, 2), colour=False)
    many = word_differences("\n".join(f"a{i}" for i in range(900)), "\n".join(f"b{i}" for i in range(900)))
    assert "more characters" in rendered(
        pairs_view([Pair(earlier=0, later=1, similarity=0.5, differences=many)], 1, 2), colour=False
    )


def test_a_hit_says_in_which_turn_it_is():
    place = {"mode": "train", "step": 1, "batch": 0, "group": 2, "completion": 3, "times": 1}
    around = {"before": "", "found": "42", "after": ""}
    of_tool, plain = Hit(**place, **around, turn=2, role="tool"), Hit(**place, **around)
    console = Console(width=100, file=io.StringIO())
    console.print(hits_view(Hits(rows=(of_tool, plain), offset=0, has_more=False, total=None)))
    _, first, second = console.file.getvalue().splitlines()[:3]
    assert first.split()[-4:] == ["turn", "2,", "tool:", "42"]
    assert "turn" not in second


def test_a_group_says_of_how_many_completions_the_answer_was_read():
    texts = (r"so \boxed{4}", r"or \boxed{4.0}", r"no, \boxed{5}", "I do not know")
    group = record(1, G=4, texts=texts)
    assert answers_told(group) == "answers read 3 of 4, 2 different"
    assert answers_told(record(1, G=2, texts=("a", "b"))) == "answers read 0 of 2"
    console = Console(width=100, file=io.StringIO())
    console.print(group_view(group, width=100, lines=3))
    assert "answers read 3 of 4, 2 different" in console.file.getvalue()
