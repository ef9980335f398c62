"""What the Groups page is told: the recorded values, filtered and sorted, and texts in harmless parts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from group_app import HOSTILE, LATEX, make_groups_run
from recorded import make_run, record, record_all
from waiting import processor_time

from dra_app import params
from dra_app.figure import csv_text
from dra_app.group_figures import stretched
from dra_app.group_view import view_of
from dra_app.pages import groups
from dra_app.step_groups import StepView, arrange, has_mark, read_step
from dra_app.texts import PAGE, beginning, copies_of, drawn, page_of, parts_in, parts_of, with_formulas
from dra_toolkit.drawing.axes import ticks
from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.drawing.numbers import short, signed
from dra_toolkit.drawing.similarity_map import clustered_order, similarity_map
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Message
from dra_toolkit.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_groups_run(tmp_path_factory.mktemp("root") / "r")


def test_a_step_has_a_row_for_each_group_with_its_recorded_measures(run: Run) -> None:
    rows = read_step(run, 2)
    assert [row["group_index"] for row in rows] == [0, 1, 2]
    for row in rows:
        recorded = run.group(2, row["group_index"])
        assert row["reward"] == pytest.approx(float(np.mean(recorded.adjustment.totals)))
        assert row["flips"] == int((recorded.advantages * recorded.plain_advantages < 0).sum())


def test_marks_say_which_groups_have_equal_rewards_and_copies(run: Run) -> None:
    rows = read_step(run, 1)
    assert [has_mark(row, "copies") for row in rows] == [True, False, False]
    assert [has_mark(row, "zero") for row in rows] == [False, False, True]
    shown = arrange(rows, 1, view=StepView(marks=frozenset({"zero"})))
    assert [row["group_index"] for row in shown.rows] == [2]
    assert shown.total == 3
    assert shown.counts["copies"] == 1


def test_sorting_puts_the_largest_first_and_unknown_values_last() -> None:
    rows = [row_with(similarity=value, group_index=i) for i, value in enumerate([0.2, None, 0.9, float("nan"), 0.5])]
    shown = arrange(rows, 1, view=StepView(sort="similarity", descending=True))
    assert [row["group_index"] for row in shown.rows] == [2, 4, 0, 1, 3]


def test_a_view_has_the_recorded_values_of_every_completion(run: Run) -> None:
    record = run.group(1, 0)
    view = view_of(record)
    assert [c.advantage for c in view.completions] == pytest.approx(record.advantages.tolist())
    assert [c.adjusted for c in view.completions] == pytest.approx(record.adjustment.adjusted.tolist())
    assert view.completions[0].parts["a"] == pytest.approx(float(record.group.rewards["a"][0]))
    assert [view.completions[i].advantage for i in view.ranking] == sorted(record.advantages, reverse=True)
    assert (view.completions[0].copy, view.completions[1].copy, view.completions[2].copy) == (0, 0, None)
    assert view.completions[0].answer == "2"
    abstained = [np.isnan(value) for value in record.group.rewards["b b"]]
    assert [c.rewards["b b"] is None for c in view.completions] == abstained


def test_similar_completions_stand_together() -> None:
    S = np.full((6, 6), 0.1)
    for block in ([0, 3, 5], [1, 2, 4]):
        S[np.ix_(block, block)] = 0.9
    np.fill_diagonal(S, 1.0)
    order = clustered_order(S)
    assert sorted(order) == list(range(6))
    assert {frozenset(order[:3]), frozenset(order[3:])} == {frozenset({0, 3, 5}), frozenset({1, 2, 4})}


@pytest.mark.parametrize("G", [0, 1, 2])
def test_an_order_of_few_completions_is_themselves(G: int) -> None:
    assert clustered_order(np.eye(G)) == list(range(G))


def test_an_order_exists_where_similarity_was_not_measured() -> None:
    assert sorted(clustered_order(np.full((4, 4), np.nan))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", [("thinking", "a"), ("", "b")]),
        ("a</think>b", [("thinking", "a"), ("", "b")]),
        ("<think>a", [("thinking", "a")]),
        ("b", [("", "b")]),
        ("<think>a</think><answer>2</answer>", [("thinking", "a"), ("answer", "2")]),
        (
            "a<tool_call>f(1)</tool_call><tool_response>2</tool_response>b",
            [("", "a"), ("tool call", "f(1)"), ("tool result", "2"), ("", "b")],
        ),
        ("a<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\nc", [("", "a"), ("user", "b"), ("", "c")]),
        ("", []),
    ],
)
def test_thinking_tools_turns_and_answer_are_apart(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(part.kind, part.text) for part in parts_of(text)] == expected


def test_markdown_and_formulas_are_drawn_and_no_text_becomes_markup() -> None:
    shown = drawn("**so** `$x$` and $x_1$:\n\n- \\[\\begin{aligned}x &= 1\\\\ y &= 2\\end{aligned}\\] \\boxed{2}")
    assert "<strong>so</strong>" in shown
    assert "<code>$x$</code>" in shown
    assert shown.count("<math") == 3
    assert shown.count("<mtr>") == 2
    for text in (
        *HOSTILE,
        r"$\text{<img src=x onerror=1>}$",
        r"$\text{&lt;script&gt;}$",
        "[a](javascript:b)",
        "<!-- -->",
    ):
        for html in (drawn(text), with_formulas(text)):
            tags = set(re.findall(r"<(?!/)([a-zA-Z!-]+)", html))
            assert not tags & {"script", "img", "iframe", "a", "b", "!--"}
            assert "href=" not in re.sub(r'title="[^"]*"', "", html)


@pytest.mark.parametrize(
    "text", ["*a" * 15_000, "[" * 30_000, "_*" * 15_000, "$" * 30_000, "{" * 30_000, "> " * 15_000]
)
def test_texts_made_to_be_slow_to_draw_are_drawn_at_once(text: str) -> None:
    with processor_time(at_most=30):
        assert drawn(text)


def test_an_advantage_is_the_sum_of_its_parts_and_says_who_made_its_weight(run: Run) -> None:
    record = run.group(1, 0)
    c = view_of(record, "a").completions[2]
    answer = groups.completion(run, {"step": "1", "group": "0", "completion": "2"})
    shown = answer["parts"]["reader"]
    raw, added, whole = aligned((c.plain, c.advantage - c.plain, c.advantage), plus=True)
    for number in (raw, added, whole):
        assert f"<td>{number}</td>" in shown
    assert c.plain + (c.advantage - c.plain) == pytest.approx(float(record.advantages[2]))
    order = np.argsort(-record.adjustment.similarity[2], kind="stable")
    nearest = next(int(j) for j in order if j != 2)
    assert c.neighbours[0] == (nearest, pytest.approx(float(record.adjustment.similarity[2, nearest])))
    assert f'data-beside-of="{nearest}"' in shown
    place = view_of(record).ranking.index(2)
    assert f"{place + 1} of 4" in shown
    with pytest.raises(RunError, match="the group has 0 to 3"):
        groups.completion(run, {"step": "1", "group": "0", "completion": "9"})


def test_turns_tools_gold_and_the_judges_verdict_are_read(tmp_path: Path) -> None:
    turns = (
        Message(role="assistant", content="<think>look it up</think>asking", calls='[{"name": "add"}]'),
        Message(role="tool", content="5"),
        Message(role="assistant", content="so \\boxed{5}"),
    )
    found = record(1, 0, G=2, texts=["look it up asking so 5", "7"])
    group = replace(found.group, turns=(turns, None), gold="<5>", verdicts=("right", "wrong"))
    directory = make_run(tmp_path / "turns")
    record_all(directory, [replace(found, group=group)])
    run = Run(directory)
    assert [(part.kind, part.text) for part in parts_in(run.group(1, 0).group, 0)] == [
        ("thinking", "look it up"),
        ("", "asking"),
        ("tool call", '[{"name": "add"}]'),
        ("tool result", "5"),
        ("", "so \\boxed{5}"),
    ]
    shown = groups.completion(run, {"step": "1", "group": "0", "completion": "0"})["parts"]["reader"]
    assert "reference <b>&lt;5&gt;</b>" in shown
    assert "✓ right" in shown
    assert "✗ wrong" in groups.completion(run, {"step": "1", "group": "0", "completion": "1"})["parts"]["reader"]


def test_a_verdict_is_right_wrong_or_none_where_the_function_abstained(run: Run) -> None:
    record = run.group(1, 0)
    verdicts = [c.verdict for c in view_of(record, "b b").completions]
    values = record.group.rewards["b b"]
    assert verdicts == [None if np.isnan(v) else bool(v > 0) for v in values]
    assert {c.verdict for c in view_of(record).completions} == {None}


def test_a_map_whose_similarities_are_all_large_can_be_stretched() -> None:
    S = np.array([[1.0, 0.91, 0.82], [0.91, 1.0, 0.85], [0.82, 0.85, 1.0]])
    assert stretched(S) == (0.82, 0.91)
    faint, strong = similarity_map(S), similarity_map(S, span=stretched(S))
    assert 'fill-opacity="1"' in strong.split("cell-self")[0] + strong.split('"cell"')[1]
    assert faint != strong
    assert stretched(np.full((3, 3), np.nan)) == (0.0, 1.0)


def test_numbers_align_and_are_never_another_number() -> None:
    assert aligned([1.2, 1.07, 0.95]) == ["1.20", "1.07", "0.95"]
    assert aligned([0.00512, 0.00499, -0.0116], plus=True) == ["+0.0051", "+0.0050", "\u22120.0116"]
    assert aligned([0.375, None, float("nan"), 0.0]) == ["0.375", "\u2013", "\u2013", "0.000"]
    assert aligned([3.0, 12.0]) == ["3", "12"]
    assert [short(v) for v in (999.6, 1e-5, 0.875, -0.0)] == ["1,000", "0.00001", "0.875", "0"]
    assert signed(0.00512) == "+0.00512"


def test_a_long_text_is_cut_and_can_be_had_in_pages() -> None:
    text = "x" * (2 * PAGE + 5)
    assert beginning(text, 100).is_cut
    assert not beginning("short", 100).is_cut
    pieces, start = [], 0
    while start is not None:
        piece, start = page_of(text, start)
        pieces.append(piece)
    assert "".join(pieces) == text
    assert len(pieces) == 3


def test_equal_texts_are_one_set() -> None:
    assert copies_of(("a", "b", "a", "c", "b")) == {0: 0, 2: 0, 1: 1, 4: 1}


def test_the_page_holds_no_markup_of_a_completion(run: Run) -> None:
    parts = groups.show(run, {"run": "r", "step": "1", "group": "1", "pair": "0,3"})["parts"]
    html = "".join(parts.values())
    assert escaped(HOSTILE[0][:20]) in html
    for markup in ("<script", "<img", "<iframe", "onerror='", "\u202e", "\x1b"):
        assert markup not in html


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "1; DROP"},
        {"step": "-1"},
        {"step": "1e9"},
        {"sort": "prompt"},
        {"mode": "../train"},
        {"pair": "1"},
        {"group": "99"},
        {"want": "all"},
        {"batch": True},
    ],
)
def test_a_request_with_a_foreign_value_is_refused_in_one_line(run: Run, wrong: dict[str, str]) -> None:
    with pytest.raises(RunError) as refused:
        groups.show(run, {"step": "1", "want": "group" if "group" in wrong else "step", **wrong})
    assert len(refused.value.problems) == 1


def test_a_step_that_is_not_recorded_is_answered_with_the_nearest(run: Run) -> None:
    answer = groups.show(run, {"step": "999"})
    assert answer["state"]["step"] == 4
    assert "step 999" in answer["error"]


def test_a_mode_without_groups_says_which_there_are(run: Run) -> None:
    said = groups.show(run, {"mode": "discarded"})["parts"]["chips"]
    assert "train" in said
    assert "eval" in said


def test_raw_text_is_the_recorded_text(run: Run) -> None:
    answer = groups.text(run, {"step": 1, "group": 0, "of": 1, "part": "raw"})
    assert answer == {"text": LATEX, "next": None, "characters": len(LATEX)}
    assert groups.text(run, {"step": 1, "group": 0, "of": 1, "part": "0"})["text"] in LATEX


def test_an_identity_is_sixteen_hexadecimal_digits() -> None:
    assert params.identity({"prompt": "0123456789abcdef"}) == "0123456789abcdef"
    with pytest.raises(RunError):
        params.identity({"prompt": "0123456789abcde'"})


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    assert csv_text([["=cmd()", -1.5, "a"]]) == "'=cmd(),-1.5,a\n"


def test_axis_values_are_round() -> None:
    assert ticks(0, 1, 4) == [0, 0.25, 0.5, 0.75, 1.0] or ticks(0, 1, 4) == [0, 0.5, 1.0]
    assert ticks(-1.2, 1.1, 4) == [-1.0, -0.5, 0.0, 0.5, 1.0] or ticks(-1.2, 1.1, 4) == [-1.0, 0.0, 1.0]
    assert ticks(3, 3, 4) == [3]
    assert short(float("nan")) == short(None)


def row_with(**values: object) -> dict[str, object]:
    row = {"batch": 0, "group_index": 0, "similarity": 0.5, "zero_spread": False, "flips": 0, "distinct_ratio": 1.0}
    return {**row, **values}
