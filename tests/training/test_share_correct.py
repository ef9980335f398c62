"""The share correct of a run is about right answers: a reward that gives part credit, and does not say so, tells none."""

from __future__ import annotations

import json

import pytest
import tiny

from dra_toolkit import DRATrainer, Run
from dra_toolkit.runs.importers.importing import import_run


def strict(completions, trainer_state, **_):
    """Give right or nothing in the first two steps, then part credit too."""
    marks = [1.0, 0.0, 0.2 if trainer_state.global_step >= 2 else 0.0, 0.0]
    return [marks[i % 4] for i in range(len(completions))]


def trained(policy, folder, reward):
    told: list[str] = []
    DRATrainer(
        str(policy),
        reward,
        tiny.grpo_config(folder, max_steps=4),
        tiny.prompts(),
        rollout_func=tiny.fixed_rollouts(),
        embedder="hash",
        tell=told.append,
    ).train()
    run = Run.open(folder)
    assert run.problems == {}
    return told, run.query("SELECT correct_share FROM steps ORDER BY step")["correct_share"].to_pylist()


@pytest.mark.parametrize(("says", "shares"), [(False, [0.25, 0.25, None, None]), (True, [0.25, 0.25, 0.5, 0.5])])
def test_a_guess_by_the_name_falls_with_the_first_part_credit(policy, tmp_path, says, shares):
    def reward(**columns):
        return strict(**columns)

    reward.__name__ = "strict"
    if says:
        reward.tells_correct = True
    told, found = trained(policy, tmp_path, reward)
    assert found == shares
    assert sum("strict gives part credit" in line for line in told) == (not says)


@pytest.mark.parametrize(("marks", "share"), [((1, 1, 0, 0), 0.5), ((1, 0.2, 0, 0), None), ((0.5, 0, 0, 0), None)])
def test_so_it_is_with_what_is_imported(tmp_path, marks, share):
    source = tmp_path / "1.jsonl"
    rows = [{"prompt": "q", "completion": f"c {i}", "accuracy": mark, "step": 1} for i, mark in enumerate(marks)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    from dra_toolkit.runs.importers.rollout import Options

    import_run(source, tmp_path / "run", options=Options(reward_columns=("accuracy",)))
    (found,) = Run.open(tmp_path / "run").query("SELECT correct_share FROM groups")["correct_share"].to_pylist()
    assert found == share
