"""Answers that are the same vote together and count once."""

from __future__ import annotations

import numpy as np
import pytest
from waiting import processor_time

from dra_toolkit.evaluation.statistics.scores import majority
from dra_toolkit.judge.joining import joined


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["5", "x=5", "5.0", r"\frac{10}{2}", "6"], ["5", "5", "5", "5", "6"]),
        ([r"\frac12", "0.5", r"\tfrac{1}{2}", None], [r"\frac12"] * 3 + [None]),
        (["(n^2+n)/2", r"\frac{n(n+1)}{2}"], ["(n^2+n)/2"] * 2),
        ([r"\text{Yes}", "yes", "no", "on"], [r"\text{Yes}", r"\text{Yes}", "no", "on"]),
        (["2,1", "1,2", "(1,2)", "(2,1)"], ["2,1", "2,1", "(1,2)", "(2,1)"]),
        (["???", "???", "!!!"], ["???", "???", "!!!"]),
        ([None, None], [None, None]),
        ([], []),
    ],
)
def test_joined(answers, expected):
    assert joined(answers) == expected


def test_equal_answers_vote_together():
    answers, right = ["5", "5", "x = 5", "x = 5", "3", "3", "3"], np.array([[1, 1, 1, 1, 0, 0, 0]], dtype=bool)
    assert majority([answers], right)[0] == 0
    assert majority([joined(answers)], right)[0] == 1


def test_hostile_answers_cost_little():
    deep = [r"\sqrt{" * n + "2" + "}" * n for n in range(2, 16)]
    huge = [f"{a}^{{9^{{9^{{9}}}}}}" for a in range(2, 40)] + [f"x^{{x^{{{a}}}}}" for a in range(40)]
    with processor_time(at_most=20):
        assert len(set(joined([*deep, *huge, *(f"n!+{a}" for a in range(40))]))) > 100
