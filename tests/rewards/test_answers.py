"""The final answer of a completion, found in bounded time whatever the text is."""

from __future__ import annotations

import pytest
from waiting import processor_time

from dra_toolkit.rewards.answers import final_answer


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"so \boxed{42}", "42"),
        (r"\boxed{1} no, \boxed{ 2 }", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("<answer> x = 3 </answer>\n", "x=3"),
        ("<answer>3</answer> and more", "3"),
        (r"\boxed{open", None),
        (r"\boxed{}", None),
        ("", None),
        ("plain 42", None),
        (r"\boxed{3 1/2}", "3 1/2"),
        (r"<think>\boxed{3}", None),
        ("x" * 10_000 + r"\boxed{7}", "7"),
        (r"\boxed{7}" + "x" * 10_000, "7"),
        (r"\boxed{" + "7" * 300 + "}", None),
    ],
)
def test_answer(completion, answer):
    assert final_answer(completion) == answer


def test_hostile_texts_cost_no_more_than_others():
    texts = ["\\boxed{" * 1_000_000, "<answer>" * 1_000_000, "{" * 10_000_000]
    with processor_time(at_most=5):
        assert [final_answer(text) for text in texts] == [None] * 3
