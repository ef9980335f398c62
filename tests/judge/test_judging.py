"""What the judge reads, and what it accepts and refuses."""

from __future__ import annotations

import datetime
import decimal
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import pairs

from dra_toolkit.judge.completions import final_answer
from dra_toolkit.judge.golds import gold_text, stated_gold
from dra_toolkit.judge.judging import equivalent, judge

PAIRS = pairs()


@pytest.mark.parametrize("kind", dict.fromkeys(pair.kind for pair in PAIRS))
def test_the_pairs_of_a_kind(kind):
    judged = {
        pair: judge(pair.gold, rf"<think>a \boxed{{0}}</think> so it is $\boxed{{{pair.answer}}}$.").verdict
        for pair in PAIRS
        if pair.kind == kind
    }
    assert {pair: verdict for pair, verdict in judged.items() if verdict != pair.verdict} == {}


def test_the_table_holds_every_kind_in_both_directions():
    seen = {(pair.kind, pair.verdict) for pair in PAIRS}
    kinds = {kind for kind, _ in seen}
    assert len(PAIRS) > 2000
    assert {kind for kind in kinds if (kind, "wrong") not in seen} == set()
    assert {kind for kind in kinds if (kind, "right") not in seen} == set()


def test_every_readable_gold_of_the_table_is_itself():
    golds = {pair.gold for pair in PAIRS if pair.verdict != "unreadable_gold"}
    assert [g for g in golds if not equivalent(stated_gold(g) or "", stated_gold(g) or "")] == []


def test_different_golds_of_a_kind_are_told_apart_both_ways():
    """Only a unit, names before an amount or the brackets of a pair may be left out, which no two of these golds do."""
    for kind in ("matrix", "complex", "algebra", "function", "equation"):
        golds = sorted({pair.gold for pair in PAIRS if pair.kind == kind})
        for one, other in itertools.combinations(golds, 2):
            if {is_amount(one), is_amount(other)} != {True, False}:
                assert equivalent(one, other) == equivalent(other, one), (one, other)


def is_amount(gold: str) -> bool:
    return re.fullmatch(r"[-\d.]+|\d+\\text.*", gold) is not None


@given(st.fractions(max_denominator=10**6), st.integers(1, 10**6))
def test_a_number_is_itself_in_any_notation_and_no_other(number, difference):
    fraction = rf"\frac{{{number.numerator}}}{{{number.denominator}}}"
    assert equivalent(str(number), fraction)
    assert not equivalent(str(number), str(number + difference))
    assert not equivalent(fraction, rf"{fraction} + 10^{{-{difference % 300 + 1}}}")


@given(st.text(alphabet=r"0123456789abxyz\{}()[],.^_=<>+-*/|!% $&", max_size=60))
def test_any_text_is_read_or_not_but_never_an_error(text):
    assert judge("42", rf"\boxed{{{text}}}").verdict in ("right", "wrong", "no_answer")
    assert judge(text, r"\boxed{42}").verdict in ("right", "wrong", "unreadable_gold")


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"\boxed{7}", "7"),
        (r"\boxed{ \frac{1}{2} }", r" \frac{1}{2} "),
        (r"\boxed {7}", "7"),
        (r"\fbox{7}", "7"),
        (r"\boxed 7", "7"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"first \boxed{5}, then \boxed{7}", "7"),
        (r"<think>\boxed{5}</think> \boxed{7}", "7"),
        (r"\boxed{5}</think> \boxed{7}", "7"),
        (r"<think>\boxed{5}</think> <think>\boxed{6}</think> \boxed{7}", "7"),
        (r"<answer>$\boxed{7}$</answer>", "7"),
        ("<answer> 7 </answer>", " 7 "),
        ("the answer is $7$.", "7"),
        (r"The final answer is \(7\).", "7"),
        ("**Answer:** $7$", "7"),
        (r"<think>\boxed{5}</think> The answer is $7$.", "7"),
        ("The answer is 8.", "8"),
        ("The final answer to this arithmetic problem is 12.", "12"),
        ("The answer to the sum of 3 and 4 is -1,234.5", "-1,234.5"),
        ("Answer: **3/4**\n", "3/4"),
        ("3 + 4 = 7\nResult = 7!", "7"),
        ("The answer is 8. Or so.", None),
        ("The answer is 8 metres.", "8 metres"),
        ("The answer is 50%.", "50%"),
        ("The answer is $1,250.50.", "$1,250.50"),
        ("The answer is 3, 8.", "3, 8"),
        ("The answer is 3 or 8.", "3 or 8"),
        ("The answer is not 8.", "not 8"),
        ("**Answer:** (B)", "(B)"),
        ("The answer is $7$, as the answer is unique.", "7"),
        ("2 + 3 = 5 and 5 + 3 = 8\n#### 8", "8"),
        ("#### 5\nNo, that is wrong.\n#### 8\n", "8"),
        ("#### 8 is what I have so far.\nNext, we", None),
        ("答案是 8。", "8"),
        ("So it is 8, and\nthe answer is", None),
        ("The answer is larger than what one would think when one only looks at the numbers: 8", None),
        ("Is the answer 8?", None),
        ("The answer is x8.", "x8"),
        ("<think>The answer is 8.</think> Hm.", None),
        ("```\n\\boxed{7}\n```", "7"),
        (r"$x = \boxed{7}$ metres", "7"),
        (r"\boxed{7}" + " word" * 5000, "7"),
        ("7", "7"),
        ("<think>3 + 4</think>\n\n**7**\n", "7"),
        ("x = 7.", "x = 7"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        ("$7$", "$7$"),
        ("(B)", "(B)"),
        ("Yes.", "Yes"),
        ("Adding up, 7", None),
        ("3 + 4\n7", None),
        ("As", None),
        ("", None),
        ("the answer is $7$ or $8$", None),
        ("perhaps $7$", None),
        (r"\boxed{}", None),
        (r"\boxed{ }", None),
        (r"\boxed{7", None),
        (r"first \boxed{5}, then \boxed{7", None),
        (r"first \boxed{5}, then \boxed{}", None),
        (r"<think>\boxed{7}", None),
        (r"<think>\boxed{7}</think>", None),
        (r"<think>\boxed{7}</think> As we", None),
        (r"<think>\boxed{5}</think> \boxed{6} <think> no, \boxed{7}", None),
        (r"\boxed{" + "1" * 20_000 + "}", None),
    ],
)
def test_where_a_completion_states_its_answer(completion, answer):
    assert final_answer(completion) == answer


def test_a_box_in_unfinished_thinking_counts_only_where_that_is_asked_for():
    text = r"<think>so it is \boxed{7}."
    assert judge("7", text).verdict == "no_answer"
    assert judge("7", text, boxes_in_thinking=True).verdict == "right"
    assert final_answer(r"<think>\boxed{5}</think> \boxed{7}", boxes_in_thinking=True) == "7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None), (float("nan"), None), ("", ""), ("7", "7"), (7, "7"), (7.0, "7.0"), (1e-05, "1e-05"), (True, "True"),
        (["7"], "7"), ([7], "7"), ([None], None), (decimal.Decimal("1.50"), "1.50"),
    ],
)  # fmt: skip
def test_golds_of_a_data_set_as_text(value, text):
    assert gold_text(value) == text


@pytest.mark.parametrize(
    ("value", "found"),
    [([1, 2], "a list of 2"), ([], "a list of 0"), ({"a": 1}, "an object"), (datetime.date(2020, 1, 1), "a date")],
)
def test_golds_that_say_too_much_are_told(value, found):
    with pytest.raises(ValueError, match=f"^{found}$"):
        gold_text(value)


def test_a_verdict_says_what_was_read():
    found = judge("It costs $5.\n#### 5", r"hence \boxed{5\text{ dollars}}")
    assert (found.verdict, found.gold, found.answer) == ("right", "5", r"5\text{ dollars}")
    assert judge("???", r"\boxed{5}").gold is None


def test_a_fault_of_the_judge_itself_is_wrong_and_told(monkeypatch, caplog):
    def broken(expected, found):
        raise AttributeError("a fault")

    monkeypatch.setattr("dra_toolkit.judge.judging.same", broken)
    assert not equivalent("1234567", "7654321")
    assert "counted as wrong: AttributeError: a fault" in caplog.text
