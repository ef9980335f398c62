"""What the rewards do with gold answers that cannot be read, and with both shapes of completions."""

from __future__ import annotations

import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.judged import recent_verdicts
from dra_toolkit.rewards.text import completion_text

RIGHT = r"\boxed{42}"


@pytest.mark.parametrize("name", ["accuracy", "cosine", "length"])
def test_an_unreadable_gold_abstains_and_is_counted(score, name):
    metrics: dict[str, float] = {}
    solution = ["42", "", "???", None]
    rewards = score(name, [RIGHT] * 4, tokens=[1, 2, 3, 4], solution=solution, metrics=metrics)
    assert rewards[0] is not None
    assert rewards[1:] == [None, None, None]
    assert metrics == {f"{name}/unreadable_gold": 0.75, f"{name}/no_answer": 0.0, f"{name}/timed_out": 0.0}


def test_every_completion_of_an_unreadable_gold_abstains(score):
    assert (
        score("accuracy", [RIGHT, "no answer", ""], solution=["There are as many as in the first box."] * 3)
        == [None] * 3
    )


@pytest.mark.parametrize("name", ["accuracy_as_released", "cosine_as_released"])
def test_as_released_an_unreadable_gold_is_worth_one(score, name):
    metrics: dict[str, float] = {}
    rewards = score(name, [RIGHT, r"\boxed{41}", "no answer", ""], solution=["42"] * 4, metrics=metrics)
    assert rewards == [1.0] * 4  # a bare 42 is unreadable there
    assert metrics[f"{name}/unreadable_gold"] == 1.0


def test_accuracy_as_released_judges_golds_between_delimiters(score):
    assert score("accuracy_as_released", [RIGHT, r"\boxed{41}", ""], solution=["$42$"] * 3) == [1.0, 0.0, 0.0]


def test_as_released_gold_and_answer_change_places(score):
    """math-verify reduces an equation to its right side where it stands as the answer, but not as the gold."""
    texts, solution = [r"\boxed{2+2=4}", r"\boxed{4}"], ["$4$", "$2+2=4$"]
    assert score("accuracy", texts, solution=solution) == [1.0, 1.0]  # a true equation of numbers is its number
    assert score("accuracy_as_released", texts, solution=solution) == [0.0, 1.0]


def test_a_data_set_without_gold_answers_is_one_line(score):
    with pytest.raises(RecipeError, match=r"^dataset: the reward 'accuracy' found no column 'solution'[^\n]*$"):
        score("accuracy", [RIGHT], answer=["42"])


def test_no_log_metric_is_no_problem():
    from dra_toolkit.rewards import build_rewards

    (accuracy,) = build_rewards(["accuracy"], {})
    assert accuracy(prompts=["q"], completions=[RIGHT], completion_ids=[[1]], solution=["42"]) == [1.0]


@pytest.mark.parametrize("name", ["accuracy", "format", "cosine_as_released"])
def test_conversational_and_plain_completions_score_alike(score, name):
    texts = ["a\n</think>\n\\boxed{42}", "\\boxed{41}", ""]
    messages = [[{"role": "assistant", "content": text}] for text in texts]
    solution = ["$42$"] * 3
    plain = score(name, texts, solution=solution)
    assert score(name, messages, solution=solution) == plain
    assert len(set(plain)) > 1


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("text", "text"),
        ([{"role": "assistant", "content": "text"}], "text"),
        ([{"role": "assistant", "content": "a"}, {"role": "tool", "content": "b"}], "a"),
        ([{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}], "b"),
        ([{"role": "assistant", "content": None}], ""),
        ([{"role": "assistant"}], ""),
        ([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}], "a"),
        ([{"role": "assistant", "reasoning_content": "a", "content": "b"}], "a\n</think>\nb"),
        ([], ""),
    ],
)
def test_completion_text(completion, expected):
    assert completion_text(completion) == expected


def test_the_last_verdicts_are_at_hand_for_the_record(score):
    texts = [RIGHT, r"\boxed{41}", "no answer", ""]
    score("accuracy", texts, solution=["42", "42", "42", "???"])
    assert recent_verdicts(["42", "42", "42", "???", "42"], [*texts, "never seen"]) == [
        "right", "wrong", "no_answer", "unreadable_gold", None,
    ]  # fmt: skip
