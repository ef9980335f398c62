"""Golds that cannot be read, from `dra train` to the summary: counted at every place, and never in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_run import RECIPE, dra, finish

UNREADABLE = "so $a$ and $b$ are both smaller than it"


@pytest.fixture
def recipe(policy, tmp_path):
    """A recipe over eight prompts of which every other gold is unreadable."""

    def recipe(rewards: str) -> Path:
        golds = [UNREADABLE if i % 2 else f"#### {i}" for i in range(8)]
        data = tmp_path / "data.jsonl"
        data.write_text("".join(json.dumps({"question": f"What is {g}?", "solution": g}) + "\n" for g in golds))
        (tmp_path / "silent.py").write_text("def reward(completions, **_):\n    return [None] * len(completions)\n")
        path = tmp_path / "recipe.yaml"
        text = RECIPE.format(policy=policy, data=data, run=tmp_path / "run").replace("[letters.letters]", rewards)
        path.write_text(text + "solution_column: solution\nsave_strategy: 'no'\n")
        return path

    return recipe


def test_the_share_is_told_while_training_at_its_end_and_in_the_summary(recipe, tmp_path):
    said = finish(dra("train", recipe("[accuracy, letters.letters]"), "max_steps=4", "per_device_train_batch_size=32"))
    assert "8 golds: 4 read, 4 not (rows 2, 4, 6, ...)" in said
    step = next(line for line in said.splitlines() if "golds not read" in line and "reward" in line)
    assert "golds not read 50%" in step
    ending = said[said.index("Finished: ") :]
    assert "50% of the completions got no reward for their answer" in ending
    told = json.loads(finish(dra("inspect", "summary", tmp_path / "run", "--json")))
    assert "not judged" in {note["name"] for note in told["notes"]}


def test_a_dry_run_reads_local_golds_and_starts_nothing(recipe, tmp_path):
    said = finish(dra("train", recipe("[accuracy]"), "--dry-run"))
    assert '8 golds: 4 read, 4 not (rows 2, 4, 6, ...); "#### 0" is read as "0"' in said
    assert not (tmp_path / "run").exists()


def test_a_run_that_never_had_a_reward_does_not_end_in_a_plain_finished(recipe, tmp_path):
    said = finish(dra("train", recipe("[silent.reward]"), "max_steps=2", PYTHONPATH=str(tmp_path)))
    assert "Finished without a single reward, so nothing was learnt" in said
    assert "Finished: " not in said
