"""The strict reward and its hidden-method variant, called as TRL calls them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from dra_toolkit.quickstart import STYLES, Problem, accepts, render
from dra_toolkit.quickstart.reward import hidden_method, strict

PROBLEM = Problem(47, 38)
RIGHT = render(PROBLEM, "column")


def score(completions: list[Any], reward: Any = strict) -> list[float]:
    n = len(completions)
    return reward(
        prompts=[PROBLEM.prompt] * n,
        completions=completions,
        completion_ids=[[1]] * n,
        problem=[PROBLEM.prompt] * n,
        solution=["85"] * n,
        trainer_state=None,
        log_metric=lambda name, value: None,
    )


def test_the_dotted_path_of_recipes_leads_here() -> None:
    assert importlib.import_module("dra_toolkit.quickstart.reward").strict is strict


@pytest.mark.parametrize("style", STYLES)
def test_every_right_way_scores_one(style: str) -> None:
    assert score([render(PROBLEM, style), render(Problem(47, 39), style)]) == [1.0, 0.0]


def test_messages_are_read_as_texts_are() -> None:
    assert score([[{"role": "assistant", "content": RIGHT}]]) == [1.0]
    assert score([[{"role": "assistant", "content": "no"}, {"role": "assistant", "content": RIGHT}]]) == [1.0]


def test_solutions_may_be_numbers() -> None:
    assert strict([RIGHT, RIGHT], solution=[85, 86]) == [1.0, 0.0]


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "\\boxed{85}",
        RIGHT + " \\boxed{85}",
        RIGHT + " trailing",
        RIGHT.replace("</think>", "\\boxed{85} </think>"),
        "<think> x </think> \\boxed{085}",
        "<think> x </think> \\boxed{84} \\boxed{85}",
        "<think>" * 100_000 + "</think> \\boxed{85}",
        "<think> x </think> \\boxed{" + "8" * 1_000_000 + "}",
        "\x00\ud800",
        [],
        [{"role": "assistant", "content": None}],
        [{"role": "assistant"}],
    ],
)
def test_hostile_completions_score_zero(hostile: Any) -> None:
    assert score([hostile]) == [0.0]
    assert score([hostile], hidden_method) == [0.0]


def test_a_long_derivation_is_no_fault() -> None:
    assert score(["<think> " + "so " * 300_000 + "</think> \\boxed{85}"]) == [1.0]


def test_columns_of_other_lengths_are_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        strict([RIGHT, RIGHT], solution=["85"])


def test_the_hidden_method_rewards_accepted_ways_only() -> None:
    completions = [render(PROBLEM, style) for style in STYLES]
    scores = score(completions, hidden_method)
    assert scores == [float(accepts(PROBLEM, style)) for style in STYLES]
    assert 0 < sum(scores) < 5
    assert score([completion.replace("{85}", "{86}") for completion in completions], hidden_method) == [0.0] * 5
    assert score(["<think> in no known way </think> \\boxed{85}"], hidden_method) == [0.0]


def test_the_hidden_method_reads_conversational_prompts() -> None:
    completions = [[{"role": "assistant", "content": render(PROBLEM, style)}] for style in STYLES]
    prompts = [[{"role": "user", "content": PROBLEM.prompt}]] * 5
    assert hidden_method(completions, ["85"] * 5, prompts) == [float(accepts(PROBLEM, style)) for style in STYLES]
