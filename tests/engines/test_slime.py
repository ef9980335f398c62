"""The adapter for slime, held against slime's own post-processing of rewards, run from its source.

slime is not on PyPI: `SLIME_SOURCE` names a checkout. Its method is taken out of its module as it is, since the module needs
the whole of its cluster to be imported.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dra_toolkit import Run, adjust_rows
from dra_toolkit.adapters import slime as adapter
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.inspection.verify import verify

SOURCE = os.environ.get("SLIME_SOURCE", "")
pytestmark = pytest.mark.skipif(not SOURCE, reason="SLIME_SOURCE names no checkout of slime")
WORDS = ["one", "two", "three"]


@pytest.fixture(scope="module")
def slime():
    """Return slime's Sample and its own `_post_process_rewards`."""
    sys.path.insert(0, SOURCE)
    from slime.utils.types import Sample

    tree = ast.parse((Path(SOURCE) / "slime/ray/rollout.py").read_text())
    methods = [each for each in ast.walk(tree) if getattr(each, "name", "") == "_post_process_rewards"]
    assert len(methods) == 1
    import torch

    space = {"torch": torch, "Sample": Sample}
    exec(compile(ast.Module(methods, []), "slime/ray/rollout.py", "exec"), space)
    return SimpleNamespace(Sample=Sample, own=space["_post_process_rewards"])


def arguments(path: Path, **other) -> SimpleNamespace:
    known = {
        "advantage_estimator": "grpo",
        "rewards_normalization": True,
        "grpo_std_normalization": True,
        "reward_key": None,
        "n_samples_per_prompt": 4,
        "rollout_batch_size": 3,
        "dra_settings": str(path),
        "hf_checkpoint": "",
    }
    return SimpleNamespace(**{**known, **other})


def settings_file(folder: Path, text: str = "") -> Path:
    file = folder / "dra.yaml"
    file.write_text(f"output_dir: {folder / 'run'}\nembedder: hash\n{text}")
    return file


def samples_of(slime, groups: list[int], seed: int = 0, key: str | None = None):
    rng = np.random.default_rng(seed)
    found = []
    for index, group in enumerate(groups):
        words = [WORDS[i] for i in rng.integers(0, 3, 4)]
        reward = float(rng.choice([0, 0.5, 1]))
        found.append(
            slime.Sample(
                group_index=group,
                index=index,
                prompt=f"say {group}",
                response=" ".join(words),
                response_length=4,
                tokens=list(range(6)),
                label="x",
                reward=reward if key is None else {key: reward, "other": 3.0},
                rollout_log_probs=[-0.5] * 4,
                status=slime.Sample.Status.TRUNCATED if index == 0 else slime.Sample.Status.COMPLETED,
            )
        )
    return found


def expected_of(samples, totals):
    vectors = load_embedder(EmbedderSettings(name="hash")).embed([sample.response for sample in samples]).vectors
    return adjust_rows([sample.group_index for sample in samples], totals=np.array(totals), embeddings=vectors)


def finish(path: Path) -> None:
    adapter._RUNS.pop(str(path)).recorded.close()


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"grpo_std_normalization": False},
        {"advantage_estimator": "reinforce_plus_plus_baseline"},
        {"rewards_normalization": False},
        {"reward_key": "right"},
    ],
)
def test_advantages_are_slimes_own_of_adjusted_rewards(slime, tmp_path, other):
    file = settings_file(tmp_path)
    args = arguments(file, **other)
    samples = samples_of(slime, [0] * 4 + [1] * 4 + [2] * 4, key=other.get("reward_key"))
    raw, used = adapter.post_process(args, samples)
    totals = [sample.get_reward_value(args) for sample in samples]
    assert raw == totals
    adjusted = [slime.Sample(reward=float(value)) for value in expected_of(samples, totals).adjusted]
    trainer = SimpleNamespace(
        args=arguments(file, **{**other, "reward_key": None}), custom_reward_post_process_func=None
    )
    _, own = slime.own(trainer, adjusted)
    np.testing.assert_allclose(used, own, atol=1e-6)
    _, plain = slime.own(trainer, [slime.Sample(reward=float(value)) for value in totals])
    assert np.abs(np.array(used) - plain).max() > 0.02
    finish(file)
    run = Run.open(tmp_path / "run")
    checked = verify(run)
    assert checked.problems == []
    assert {each.kind for each in lint(run.directory.path).findings} <= {"unequal groups"}
    assert checked.largest_replay_error < 1e-6
    record = run.group(1, 0)
    assert (record.group.finish_reasons[0], record.group.gold, list(record.group.rewards)) == (
        "length",
        "x",
        [other.get("reward_key") or "reward"],
    )


def test_ragged_shuffled_groups_are_groups_of_their_index(slime, tmp_path):
    """slime itself takes a batch of unequal groups for one group; here each is one."""
    file = settings_file(tmp_path)
    groups = np.random.default_rng(1).permutation([0] * 8 + [1] * 8 + [2] * 5 + [3] * 8).tolist()
    samples = samples_of(slime, groups, seed=1)
    totals, used = adapter.post_process(arguments(file), samples)
    adjusted = expected_of(samples, totals).adjusted
    for group in range(4):
        rows = np.flatnonzero(np.array(groups) == group)
        values = adjusted[rows]
        np.testing.assert_allclose(
            np.array(used)[rows], (values - values.mean()) / (values.std(ddof=1) + 1e-6), atol=1e-9
        )
    finish(file)


def test_samples_of_one_rollout_are_one_completion(slime, tmp_path):
    file = settings_file(tmp_path)
    samples = samples_of(slime, [0] * 6)
    for sample, rollout in zip(samples, [0, 0, 1, 2, 3, 3], strict=True):
        sample.rollout_id = rollout
    totals, used = adapter.post_process(arguments(file), samples)
    last = [1, 2, 3, 5]
    expected = expected_of([samples[i] for i in last], [totals[i] for i in last]).adjusted
    wanted = (expected - expected.mean()) / (expected.std(ddof=1) + 1e-6)
    np.testing.assert_allclose(used, wanted[[0, 0, 1, 2, 3, 3]], atol=1e-9)
    finish(file)


def test_rollouts_are_steps_that_go_on_where_slime_does(slime, tmp_path):
    file = settings_file(tmp_path)
    for seed in range(2):
        samples = samples_of(slime, [10 + seed] * 4, seed=seed)
        adapter.post_process(arguments(file, start_rollout_id=7), samples)
    finish(file)
    assert list(Run.open(tmp_path / "run").steps()) == [8, 9]


def test_without_a_settings_file_nothing_starts(slime, tmp_path, monkeypatch):
    monkeypatch.delenv("DRA_SETTINGS", raising=False)
    with pytest.raises(RunError, match="DRA_SETTINGS: missing"):
        adapter.post_process(arguments(tmp_path, dra_settings=None), samples_of(slime, [0]))


def test_a_sample_without_a_group(slime, tmp_path):
    file = settings_file(tmp_path)
    samples = samples_of(slime, [0] * 4)
    samples[2].group_index = None
    with pytest.raises(ValueError, match="group_ids: row 2 has None"):
        adapter.post_process(arguments(file), samples)
    finish(file)


def test_what_a_tool_said_is_shown_in_turn_and_is_not_the_policys(slime, tmp_path, monkeypatch):
    monkeypatch.setattr(adapter, "_decoder", lambda _: lambda ids: " ".join(map(str, ids)))
    file = settings_file(tmp_path)
    samples = samples_of(slime, [0] * 4)
    samples[2].tokens, samples[2].loss_mask = [7, 7, 1, 2, 3, 4], [1, 0, 0, 1]
    adapter.post_process(arguments(file), samples)
    finish(file)
    group = Run.open(tmp_path / "run").group(1, 0).group
    assert (group.completions[2], int(group.token_counts[2])) == ("1 4", 2)
    said = [(turn.role, turn.content) for turn in group.turns[2]]
    assert said == [("assistant", "1"), ("tool", "2 3"), ("assistant", "4")]
