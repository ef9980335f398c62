"""A run resumed after any step sees the prompts, and learns at the rate, of the run that nothing stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import resume_run
from layouts import in_processes

RESUMED = {1: range(1, resume_run.STEPS), 2: (2, 3, 7)}
"""Processes -> the steps after which it is resumed: within an epoch, at its end, and in the last of them.
Of two processes each does what one does."""
SCRIPT = Path(__file__).with_name("resume_run.py")


@pytest.fixture(
    scope="module", params=[1, pytest.param(2, marks=pytest.mark.long)], ids=["one process", "two processes"]
)
def seen(request, policy, tmp_path_factory):
    out, processes = tmp_path_factory.mktemp("resume"), request.param
    arguments = [str(policy), str(out), str(8 // processes), *map(str, RESUMED[processes])]
    in_processes(processes, SCRIPT, *arguments)
    return json.loads((out / "seen.json").read_text())


def test_the_epochs_differ_in_their_order(seen):
    asked = seen["straight"]["asked"]
    epochs = [[asked[str(step)] for step in range(first, first + 3)] for first in (1, 4, 7)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert all(len({prompt for step in epoch for prompt in step}) == 6 for epoch in epochs)


def test_resumed_after_any_step_it_goes_on_as_the_straight_run(seen):
    assert len(seen["resumed"]) in map(len, RESUMED.values())
    for step, resumed in seen["resumed"].items():
        later = {str(number) for number in range(int(step) + 1, resume_run.STEPS + 1)}
        for what in ("asked", "rates"):
            expected = {number: value for number, value in seen["straight"][what].items() if number in later}
            assert set(expected) == later
            found = {number: value for number, value in resumed[what].items() if number in later}
            assert found == expected, f"resumed after step {step}"


@pytest.mark.parametrize(
    "changes", [{"num_iterations": 2}, {"steps_per_generation": 2, "gradient_accumulation_steps": 1}]
)
def test_resumed_within_a_generation_it_samples_these_prompts_anew_and_then_the_next_ones(policy, tmp_path, changes):
    """A checkpoint holds no completions; what its generation had left to train on is sampled again, and no more."""
    steps = {"max_steps": 8, "per_device_train_batch_size": 8 // changes.get("steps_per_generation", 1), **changes}
    straight = resume_run.train(str(policy), tmp_path / "run", 8, **steps)["asked"]
    assert [*straight] == [1, 3, 5, 7]
    for step in (1, 3, 7):
        checkpoint = tmp_path / f"run/checkpoint-{step}"
        resumed = resume_run.train(str(policy), tmp_path / "again", 8, checkpoint, **steps, save_strategy="no")["asked"]
        assert resumed == {step + 1: straight[step]} | {at: asked for at, asked in straight.items() if at > step}


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_run_made_longer_after_its_end_follows_the_schedule_of_the_longer_run(policy, tmp_path, schedule):
    def rates(out: str, steps: int, checkpoint: Path | None = None) -> dict[int, float]:
        changes = {"max_steps": steps, "lr_scheduler_type": schedule}
        return resume_run.train(str(policy), tmp_path / out, 8, checkpoint, **changes)["rates"]

    longer = rates("longer", 4)
    assert rates("short", 2)[2] < longer[2]
    assert rates("goes on", 4, tmp_path / "short/checkpoint-2") | {1: longer[1], 2: longer[2]} == longer
    assert longer[3] > 0


def test_a_run_resumed_at_its_end_takes_no_further_step(policy, tmp_path):
    """Killed after its last checkpoint and before it could say that it is finished."""
    asked = resume_run.train(str(policy), tmp_path / "run", 8, max_steps=4)["asked"]
    assert max(asked) == 4
    again = resume_run.train(str(policy), tmp_path / "again", 8, tmp_path / "run/checkpoint-4", max_steps=4)
    assert again["asked"] == {}
    assert max(again["rates"]) == 4, "its log is that of the first"
