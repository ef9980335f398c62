"""Evaluation between steps: one file, progress, an end on request; and steps that reuse a generation say so."""

from __future__ import annotations

import json
import signal

import pytest
import tiny

from dra_toolkit import DRATrainer, Run
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.training.callbacks import MetricsCallback, StopCallback
from dra_toolkit.training.events import Events


def trainer(policy, folder, reward=tiny.letters, **config):
    changes = {"eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 8, "max_steps": 4}
    return DRATrainer(
        str(policy),
        reward,
        tiny.grpo_config(folder, **(changes | config)),
        tiny.prompts(),
        tiny.prompts(12),
        rollout_func=tiny.fixed_rollouts(),
        embedder="hash",
        tell=lambda line: None,
    )


def test_an_evaluation_is_one_file(policy, tmp_path):
    trainer(policy, tmp_path).train()
    assert [path.name for path in sorted((tmp_path / "groups").glob("eval-*"))] == [
        "eval-00000002-000.parquet",
        "eval-00000004-000.parquet",
    ]
    run = Run.open(tmp_path)
    for step in (2, 4):
        indices = [record.index for record in run.groups(step=step, mode="eval")]
        assert indices == list(range(12))
    assert run.problems == {}


def test_how_far_it_is_can_be_followed(policy, tmp_path):
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "run").mkdir()
    subject = trainer(policy, tmp_path / "out")
    subject.add_callback(MetricsCallback(run, Events(tmp_path / "events.jsonl"), 1))
    subject.train()
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    evaluations = [event for event in told if event["event"] == "evaluation"]
    assert evaluations[0]["done"] == 1
    assert evaluations[0]["of"] == 6


@pytest.fixture
def signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_ends_after_the_batch_in_which_somebody_asked(policy, tmp_path, signals):
    stop, evaluated = tmp_path / "stop", []

    def reward(completions, trainer_state, **_):
        if subject.model.training is False:
            evaluated.append(trainer_state.global_step)
            stop.touch()
        return tiny.letters(completions)

    subject = trainer(policy, tmp_path / "out", reward, save_strategy="steps", save_steps=100)
    subject.add_callback(StopCallback(stop, None))
    subject.train()
    assert evaluated == [2]
    assert subject.state.global_step == 2
    assert (tmp_path / "out/checkpoint-2/dra_checkpoint.json").is_file()
    run = Run.open(tmp_path / "out")
    assert [record.index for record in run.groups(step=2, mode="eval")] == [0, 1]
    assert run.directory.status()["state"] == "stopped"


def test_a_step_that_reuses_a_generation_says_which(policy, tmp_path):
    trainer(policy, tmp_path, eval_strategy="no", num_iterations=2).train()
    rows = [row for row in Run.open(tmp_path).metrics() if "loss" in row]
    assert [(row["step"], row.get("generation_of_step"), "reward" in row) for row in rows] == [
        (1, None, True),
        (2, 1, False),
        (3, None, True),
        (4, 3, False),
    ]
