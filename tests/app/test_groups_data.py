"""What the Groups page is told: the recorded values, filtered and sorted, and texts in harmless parts."""

from __future__ import annotations

import numpy as np
import pytest
from group_app import HOSTILE, LATEX, make_groups_run

from dra_app.data import params
from dra_app.data.group_detail import view_of
from dra_app.data.group_order import clustered_order
from dra_app.data.group_step import BINS, StepView, arrange, has_mark, neighbours, read_step
from dra_app.data.group_texts import PAGE, beginning, copies_of, page_of, think_and_answer
from dra_app.figures.svg import csv_text, escaped, short, ticks
from dra_app.pages import groups_answers
from dra_toolkit.errors import RunError
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


def test_a_bin_of_the_histogram_keeps_exactly_its_groups() -> None:
    rng = np.random.default_rng(0)
    rows = [row_with(similarity=float(value), group_index=i) for i, value in enumerate(rng.random(200))]
    bins = arrange(rows, 1).bins
    assert len(bins) == BINS
    assert sum(bin.groups for bin in bins) == 200
    for bin in bins:
        view = StepView(low=bin.low, high=bin.high)
        assert len(arrange(rows, 1, view=view).rows) == bin.groups


def test_the_histogram_of_equal_values_is_one_bar_and_of_none_is_empty() -> None:
    assert [bin.groups for bin in arrange([row_with(similarity=0.5)] * 3, 1).bins] == [3]
    assert arrange([row_with(similarity=None)], 1).bins == []


def test_next_and_previous_follow_the_order_that_is_shown() -> None:
    rows = [row_with(group_index=i) for i in (5, 2, 9)]
    before, after = neighbours(rows, 0, 2)
    assert (before and before["group_index"], after and after["group_index"]) == (5, 9)
    assert neighbours(rows, 0, 5)[0] is None
    assert neighbours(rows, 0, 9)[1] is None


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
        ("<think>a</think>b", ("a", "b")),
        ("a</think>b", ("a", "b")),
        ("<think>a", ("a", "")),
        ("b", (None, "b")),
        ("<think>a</think>b</think>c", ("a</think>b", "c")),
        ("", (None, "")),
    ],
)
def test_thinking_ends_at_the_last_closing_tag(text: str, expected: tuple[str | None, str]) -> None:
    assert think_and_answer(text) == expected


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
    parts = groups_answers.show(run, {"run": "r", "step": "1", "group": "1", "pair": "0,3"})["parts"]
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
        {"low": "nan"},
        {"measure": "x"},
        {"pair": "1"},
        {"group": "99"},
        {"want": "all"},
        {"batch": True},
    ],
)
def test_a_request_with_a_foreign_value_is_refused_in_one_line(run: Run, wrong: dict[str, str]) -> None:
    with pytest.raises(RunError) as refused:
        groups_answers.show(run, {"step": "1", "want": "group" if "group" in wrong else "step", **wrong})
    assert len(refused.value.problems) == 1


def test_a_step_that_is_not_recorded_is_answered_with_the_nearest(run: Run) -> None:
    assert groups_answers.show(run, {"step": "999"})["state"]["step"] == 4


def test_a_mode_without_groups_says_which_there_are(run: Run) -> None:
    said = groups_answers.show(run, {"mode": "discarded"})["parts"]["chips"]
    assert "train" in said
    assert "eval" in said


def test_raw_text_is_the_recorded_text(run: Run) -> None:
    answer = groups_answers.text_of(run, {"step": 1, "group": 0, "of": 1, "part": "raw"})
    assert answer == {"text": LATEX, "next": None, "characters": len(LATEX)}
    assert groups_answers.text_of(run, {"step": 1, "group": 0, "of": 1, "part": "think"})["text"] in LATEX


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
