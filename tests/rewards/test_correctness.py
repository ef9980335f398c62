"""What rewards say of themselves is so, and what is made of those that say nothing."""

from __future__ import annotations

import pytest

from dra_toolkit.rewards import (
    CORRECT_ABOVE,
    REWARDS,
    build_rewards,
    can_be_negative,
    check_reward_name,
    tells_right_from_wrong,
)
from dra_toolkit.rewards.correctness import gives_part_credit

TEXTS = [
    "a\n</think>\n\\boxed{7}",
    "a\n</think>\n\\boxed{8}",
    "again again again again again again \\boxed{8}",
    "Step 1: a\nStep 2: b\n\n\\boxed{7}",
    "nothing",
]
RIGHT = [True, False, False, True, False]
TOKENS = [10, 2000, 30, 3000, 3584]


@pytest.mark.parametrize("name", REWARDS)
def test_what_a_reward_says_of_itself_is_so(score, name):
    values = score(name, TEXTS, tokens=TOKENS, solution=["$7$"] * len(TEXTS))
    assert (min(values) < 0) == can_be_negative(REWARDS[name])
    assert ([value > CORRECT_ABOVE for value in values] == RIGHT) == REWARDS[name].tells_correct


@pytest.mark.parametrize("name", REWARDS)
def test_a_built_reward_says_the_same(name):
    (reward,) = build_rewards([name], {})
    assert can_be_negative(reward) == can_be_negative(REWARDS[name])
    assert reward.tells_correct == REWARDS[name].tells_correct


def says(tells_correct):
    function = lambda **columns: []  # noqa: E731
    function.tells_correct = tells_correct
    return function


@pytest.mark.parametrize(
    ("names", "functions", "expected"),
    [
        (["format", "cosine"], REWARDS, "cosine"),
        (["cosine", "accuracy"], REWARDS, "accuracy"),
        (["format", "tag_count"], REWARDS, None),
        (["format"], REWARDS, None),
        (["length", "my_accuracy"], REWARDS, "my_accuracy"),
        (["is_correct", "exact"], {}, "is_correct"),
        (["mine", "yours"], {"mine": says(None), "yours": says(True)}, "yours"),
        (["correctness_of_form", "yours"], {"correctness_of_form": says(False)}, None),
        ([], {}, None),
    ],
)
def test_who_tells_right_from_wrong(names, functions, expected):
    assert tells_right_from_wrong(names, functions) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, 1.0], False),
        ([-0.5, 0.0, 2.0], False),
        ([0.0, float("nan")], False),
        ([], False),
        ([0.0, 0.2], True),
        ([1.0, 0.2, 0.0], True),
        ([0.0, 1.0, 2.0], True),
    ],
)
def test_part_credit_says_nothing_of_right_answers(values, expected):
    assert gives_part_credit(says(None), values) == expected
    assert not gives_part_credit(says(True), values), "who says so is believed"


def test_a_misspelt_reward_is_named_with_its_key_once():
    assert check_reward_name("cosin").startswith("found 'cosin', expected one of accuracy")
