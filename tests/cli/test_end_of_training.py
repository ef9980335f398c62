"""What the end of a run prints compares steps that differ, and the share correct is about right answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from recorded import record

from dra_toolkit.cli.train import SHOWN_STEPS, _first_and_last
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.rewards import REWARDS, tells_right_from_wrong
from dra_toolkit.runs.metrics import append_metrics

NOT_KNOWN = float("nan")


def first_and_last(tmp_path: Path, rewards: list[float | None]) -> list[str]:
    """Return the lines for a run whose steps logged these rewards; None is a step that reused a generation."""
    path = tmp_path / "metrics.jsonl"
    for step, reward in enumerate(rewards, start=1):
        values = {"loss": 0.0} if reward is None else {"loss": 0.0, "reward": reward, "diversity/similarity": NOT_KNOWN}
        append_metrics(path, step=step, attempt=1, values=values)
    return [" ".join(line.split()) for line in _first_and_last(path)]


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        ([0.41, 0.34], "reward, raw 0.410 -> 0.340"),
        ([0.05, 0.5, 0.25], "reward, raw 0.050 -> 0.250"),
        ([0.1, 0.3, 0.5, 0.9], "reward, raw 0.200 -> 0.700"),
        ([0.1, None, 0.3, None], "reward, raw 0.100 -> 0.300"),
        ([0.0] * SHOWN_STEPS + [0.7] + [1.0] * SHOWN_STEPS, "reward, raw 0.000 -> 1.000"),
    ],
)
def test_the_first_steps_are_compared_with_others(tmp_path, rewards, said):
    assert first_and_last(tmp_path, rewards) == [said]


@pytest.mark.parametrize("rewards", [[], [0.41], [None, 0.41]])
def test_one_step_is_compared_with_nothing(tmp_path, rewards):
    assert first_and_last(tmp_path, rewards) == []


@pytest.mark.parametrize(
    ("rewards", "verdicts", "share"),
    [
        ([1.0, -0.5, 0.0], None, 1 / 3),
        ([1.0, NOT_KNOWN, 0.0], None, 1 / 2),
        ([1.0, 1.0, 1.0], ("right", "wrong", "no_answer"), 1 / 3),
        ([0.0, 0.0, 0.0], ("right", "unreadable_gold", "wrong"), 1 / 2),
    ],
)
def test_the_share_correct_is_that_of_right_answers(rewards, verdicts, share):
    group = record(1).group
    group = dataclasses.replace(group, rewards={**group.rewards, "a": np.array(rewards)}, verdicts=verdicts)
    of_group = GROUP_MEASURES["correct_share"](dataclasses.replace(record(1), group=group), correct_by="a")
    assert of_group == pytest.approx(share)


def test_a_reward_that_pays_for_half_a_solution_says_nothing_of_right_answers():
    half_right = {"format": REWARDS["format"], "steps_taken": lambda **columns: [0.2]}
    correct_by = tells_right_from_wrong(list(half_right), half_right)
    assert GROUP_MEASURES["correct_share"](record(1), correct_by) is None
