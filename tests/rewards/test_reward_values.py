"""Hand-computed values of every reward, with its boundaries."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge import Verdict
from dra_toolkit.rewards import build_rewards
from dra_toolkit.rewards.judged import length_value
from dra_toolkit.rewards.shape import repeated_share, well_formed

RIGHT, WRONG = r"\boxed{42}", r"\boxed{41}"
HALF_ROOT = math.sqrt(0.5)


def padded(answer: str, characters: int) -> str:
    return " " * (characters - len(answer)) + answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thought</think>answer", 1.0),
        ("<think>\nthought\n</think>\n\nanswer", 1.0),
        ("\nthought\n</think>\nanswer", 1.0),
        ("thought</think>", 0.0),
        ("thought</think> \n", 0.0),
        ("</think>answer", 0.0),
        ("<think>\n\n</think>answer", 0.0),
        ("thought, answer", 0.0),
        ("thought</think>answer</think>more", 0.0),
        ("thought <think> again</think>answer", 0.0),
        (" <think>thought</think>answer", 0.0),
        ("<think><think>thought</think>answer", 0.0),
        ("thought</think>answer <think>", 0.0),
        ("", 0.0),
    ],
)
def test_format(score, text, expected):
    assert score("format", [text]) == [expected]


@given(reasoning=st.text(min_size=1), answer=st.text(min_size=1), opened=st.booleans())
def test_format_accepts_any_reasoning_and_answer_without_tags(reasoning, answer, opened):
    assume("think>" not in reasoning + answer)
    text = ("<think>" if opened else "") + reasoning + "</think>" + answer
    assert well_formed(text) == bool(reasoning.strip() and answer.strip())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n</think>\nb", 1.0),
        ("\n</think>\n", 1.0),
        ("a</think>b", 0.0),
        ("a\n</think>\nb\n</think>\n", 0.0),
        ("a\n</think>\nb</think>", 1.0),
        ("", 0.0),
    ],
)
def test_format_as_released_counts_one_closing_line(score, text, expected):
    assert score("format_as_released", [text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>\na\n</think>\n\n<answer>\nb\n</answer>", 1.0),
        ("a\n</think>\n\n<answer>\nb\n</answer>", 0.75),
        ("<think>\na\n</think>\n", 0.5),
        ("<think>\n<think>\na\n</think>\n", 0.25),
        ("<think>a</think>", 0.0),
        ("", 0.0),
    ],
)
def test_tag_count(score, text, expected):
    assert score("tag_count", [text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Step 1: a\nStep 2: b\nStep 3: c", 1.0),
        ("Step 1: a\nStep 2: b\nStep 3: c\nStep 4: d", 1.0),
        ("so\n1. a\n2. b", 2 / 3),
        ("- a\n* b\nFinally, c", 1.0),
        ("3.14 is not a step; First, we look", 1 / 3),
        ("a - b * c", 0.0),
        ("", 0.0),
    ],
)
def test_reasoning_steps(score, text, expected):
    assert score("reasoning_steps", [text]) == pytest.approx([expected])


def test_reasoning_steps_parameter(score):
    assert score("reasoning_steps", ["Step 1: a"], parameters={"reasoning_steps_steps": 4}) == [0.25]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.0),
        ("one two", 0.0),
        ("one two three", 0.0),
        ("a a a a", -0.5),  # two trigrams, one distinct
        ("A a a A a", -2 / 3),
        ("one two three four five", 0.0),
    ],
)
def test_repetition_penalty(score, text, expected):
    assert score("repetition_penalty", [text]) == pytest.approx([expected])


def test_repetition_penalty_parameters(score):
    parameters = {"repetition_penalty_ngram_size": 1, "repetition_penalty_max_penalty": -2.0}
    assert score("repetition_penalty", ["a a b c"], parameters=parameters) == [-0.5]


@given(st.text(), st.integers(1, 5))
def test_repeated_share_is_a_share(text, ngram_size):
    assert 0.0 <= repeated_share(text, ngram_size) < 1.0


def test_accuracy(score):
    assert score("accuracy", [RIGHT, WRONG, "no answer"], solution=["42"] * 3) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("tokens", "right", "wrong"),
    [
        (0, 1.0, -0.5),
        (25, 0.75 + 0.25 * HALF_ROOT, -0.25 - 0.25 * HALF_ROOT),
        (50, 0.75, -0.25),
        (100, 0.5, 0.0),
        (200, 0.5, 0.0),
        (10_000, 0.5, 0.0),
    ],
)
def test_cosine_is_scaled_by_tokens_and_clamped(score, tokens, right, wrong):
    rewards = score(
        "cosine",
        [RIGHT, WRONG],
        tokens=[tokens, tokens],
        solution=["42", "42"],
        parameters={"cosine_max_length": 100},
    )
    assert rewards == pytest.approx([right, wrong])


def test_cosine_defaults_and_values(score):
    assert score("cosine", [RIGHT], tokens=[3584], solution=["42"]) == pytest.approx([0.5])
    assert score("cosine", [RIGHT], tokens=[1792], solution=["42"]) == pytest.approx([0.75])
    values = {"correct_short": 4.0, "correct_long": 3.0, "wrong_short": -4.0, "wrong_long": -2.0}
    parameters = {f"cosine_{key}": value for key, value in values.items()}
    rewards = score(
        "cosine",
        [RIGHT, RIGHT, WRONG, WRONG],
        tokens=[0, 3584, 0, 3584],
        solution=["42"] * 4,
        parameters=parameters,
    )
    assert rewards == pytest.approx([4.0, 3.0, -4.0, -2.0])


@pytest.mark.parametrize(("characters", "expected"), [(1000, 0.5), (2000, 1.0), (2500, 0.75), (3000, 0.5), (4000, 1.0)])
def test_cosine_as_released_oscillates_with_the_characters(score, characters, expected):
    text = padded(RIGHT, characters)
    assert score("cosine_as_released", [text], tokens=[7], solution=["$42$"]) == pytest.approx([expected])


@pytest.mark.parametrize(("text", "expected"), [("", 0.0), (padded(WRONG, 500), -0.25), (padded(WRONG, 1000), -0.5)])
def test_cosine_as_released_likes_short_wrong_answers_best(score, text, expected):
    assert score("cosine_as_released", [text], solution=["$42$"]) == pytest.approx([expected])


def test_length_compares_the_completions_of_one_prompt(score):
    rewards = score(
        "length",
        [RIGHT, RIGHT, RIGHT, WRONG, WRONG, RIGHT, WRONG],
        tokens=[10, 20, 30, 10, 30, 500, 600],
        prompts=["a"] * 5 + ["b"] * 2,
        solution=["42"] * 7,
    )
    assert rewards == pytest.approx([0.5, 0.0, -0.5, 0.0, -0.5, 0.5, -0.5])


@pytest.mark.parametrize(("text", "expected"), [(RIGHT, [0.5, 0.0, -0.5]), (WRONG, [0.0, 0.0, -0.5])])
def test_length_of_groups_all_right_and_all_wrong(score, text, expected):
    assert score("length", [text] * 3, tokens=[1, 2, 3], solution=["42"] * 3) == pytest.approx(expected)


def test_length_of_equal_lengths_is_zero(score):
    assert score("length", [RIGHT, WRONG], tokens=[5, 5], solution=["42", "42"]) == [0.0, 0.0]


def test_length_finds_equal_conversational_prompts(score):
    prompts = [[{"role": "user", "content": "q"}] for _ in range(2)]
    assert score("length", [RIGHT, RIGHT], tokens=[1, 3], prompts=prompts, solution=["42"] * 2) == [0.5, -0.5]


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8), st.data())
def test_length_never_rewards_a_wrong_answer(lengths, data):
    tokens = data.draw(st.sampled_from(lengths))
    right, wrong = (length_value(verdict, tokens, lengths) for verdict in (Verdict.right, Verdict.wrong))
    assert wrong <= 0.0
    assert wrong <= right
    assert -0.5 <= right <= 0.5


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("cosine", "cosine_max_length", 0),
        ("cosine_as_released", "cosine_as_released_max_len", -1),
        ("reasoning_steps", "reasoning_steps_steps", 0),
        ("repetition_penalty", "repetition_penalty_ngram_size", 0),
        ("repetition_penalty", "repetition_penalty_max_penalty", 0.5),
    ],
)
def test_impossible_parameters_are_one_line(name, key, value):
    with pytest.raises(RecipeError, match=rf"^{key}: found {value}, expected [^\n]*$"):
        build_rewards([name], {key: value})
