"""The trainer against TRL's, and against the maths."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from trl import GRPOTrainer

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.inspection.verify import verify
from dra_toolkit.runs import Run
from dra_toolkit.training.trainer import DRATrainer

HASH = EmbedderSettings(name="hash")
OFF = DiversitySettings(measure="none")
NOT_NUMBERS = {"train_runtime", "train_samples_per_second", "train_steps_per_second", "step_time", "epoch"}


def train(kind, policy, folder, *, config=None, **kwargs):
    kwargs.setdefault("reward_funcs", [tiny.letters, tiny.picky])
    kwargs.setdefault("train_dataset", tiny.prompts())
    trainer = kind(model=str(policy), args=tiny.grpo_config(folder, **(config or {})), **kwargs)
    trainer.train()
    return trainer


def history(trainer) -> list[dict[str, float]]:
    """Return the logged numbers, times left out."""
    rows = [dict(row) for row in trainer.state.log_history]
    return [
        {k: v for k, v in row.items() if not any(part in k for part in (*NOT_NUMBERS, "profiling", "diversity/"))}
        for row in rows
    ]


def recorded(policy, folder, **kwargs):
    records = []
    trainer = train(DRATrainer, policy, folder, embedder=HASH, on_groups=records.extend, **kwargs)
    return trainer, records


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo"])
def test_with_the_adjustment_off_the_run_is_trls(policy, tmp_path, loss_type):
    config = {"loss_type": loss_type, "scale_rewards": "none" if loss_type == "dr_grpo" else "group"}
    plain = train(GRPOTrainer, policy, tmp_path / "trl", config=config)
    ours, _ = recorded(policy, tmp_path / "dra", config=config, diversity=OFF)
    assert history(ours) == history(plain)
    assert len(history(plain)) == 4
    for name, parameter in plain.model.state_dict().items():
        np.testing.assert_array_equal(parameter.cpu().numpy(), ours.model.state_dict()[name].cpu().numpy())


@pytest.mark.parametrize("scaling", ["group", "batch", "none"])
def test_advantages_used_are_those_of_the_adjusted_rewards(policy, tmp_path, scaling):
    _, records = recorded(policy, tmp_path, config={"scale_rewards": scaling}, rollout_func=tiny.fixed_rollouts())
    assert [(r.step, r.index) for r in records] == [(s, i) for s in (1, 2, 3) for i in (0, 1)]
    for step in (1, 2, 3):
        batch = [r for r in records if r.step == step]
        adjusted = np.stack([r.adjustment.adjusted for r in batch])
        totals = np.stack([r.adjustment.totals for r in batch])
        np.testing.assert_allclose(
            np.stack([r.advantages for r in batch]), group_advantages(adjusted, scaling), atol=1e-4
        )
        np.testing.assert_allclose(np.stack([r.plain_advantages for r in batch]), group_advantages(totals, scaling))
    assert max(np.abs(r.advantages - r.plain_advantages).max() for r in records) > 0.01


def test_record_is_consistent(policy, tmp_path):
    _, records = recorded(policy, tmp_path, rollout_func=tiny.fixed_rollouts())
    for r in records:
        raw = np.stack([r.group.rewards["letters"], r.group.rewards["picky"]])
        np.testing.assert_allclose(r.adjustment.totals, np.nansum(raw, axis=0), atol=1e-7)
        again = adjust(similarity=r.adjustment.similarity, totals=r.adjustment.totals)
        np.testing.assert_allclose(r.adjustment.adjusted, again.adjusted)
        assert list(r.group.rewards) == ["letters", "picky"], "the adjustment's own column is not a reward"
        assert len(set(r.group.finish_reasons)) == 1
        same = [i for i, text in enumerate(r.group.completions) if text == r.group.completions[-1]]
        np.testing.assert_allclose(r.adjustment.similarity[np.ix_(same, same)], 1, atol=1e-6)
    assert any(len(set(r.group.completions)) < 4 for r in records)


def test_trls_logs_stay_raw_and_ours_stand_beside(policy, tmp_path):
    trainer, records = recorded(policy, tmp_path, rollout_func=tiny.fixed_rollouts())
    first = next(row for row in trainer.state.log_history if "reward" in row)
    batch = [r for r in records if r.step == 1]
    totals = np.stack([r.adjustment.totals for r in batch])
    assert first["reward"] == pytest.approx(np.nanmean(totals), abs=1e-6)
    assert first["reward_std"] == pytest.approx(np.nanstd(totals, ddof=1), abs=1e-6)
    assert first["rewards/letters/mean"] == pytest.approx(
        np.mean([r.group.rewards["letters"] for r in batch]), abs=1e-6
    )
    ours = {key.removeprefix("diversity/"): value for key, value in first.items() if key.startswith("diversity/")}
    assert ours["adjusted_reward"] == pytest.approx(np.nanmean([r.adjustment.adjusted for r in batch]), abs=1e-6)
    assert ours["weight"] == pytest.approx(np.mean([r.adjustment.weights for r in batch]), abs=1e-6)
    assert ours["abs_advantage"] == pytest.approx(np.mean(np.abs([r.advantages for r in batch])), abs=1e-4)
    assert ours["abs_advantage_plain"] == pytest.approx(np.mean(np.abs([r.plain_advantages for r in batch])), abs=1e-6)
    assert {
        "similarity", "vendi_score", "distinct_ratio", "zero_spread_groups", "embedding_seconds", "truncated_ratio",
    } <= set(ours)  # fmt: skip


def test_the_lists_of_rewards_are_trls_own_but_while_a_batch_is_scored(policy, tmp_path):
    seen = []

    def changing(completions, **_):
        seen.append((list(trainer.reward_func_names), trainer.reward_weights.tolist()))
        trainer.reward_weights = torch.tensor([1.0, float(len(seen))])
        return [float(index % 3) for index in range(len(completions))]

    trainer = DRATrainer(
        model=str(policy),
        args=tiny.grpo_config(tmp_path),
        reward_funcs=[tiny.letters, changing],
        train_dataset=tiny.prompts(),
        embedder=HASH,
        tell=lambda line: None,
    )
    assert len(trainer.reward_funcs) == len(trainer.reward_processing_classes) == 2
    trainer.train()
    assert seen == [(["letters", "changing"], [1.0, float(max(1, step))]) for step in range(3)]
    assert (trainer.reward_func_names, trainer.reward_weights.tolist()) == (["letters", "changing"], [1.0, 3.0])
    run = Run.open(tmp_path)
    assert list(verify(run).problems) == []
    for record in run.groups():
        letters, changed = record.group.rewards.values()
        assert record.group.reward_weights == {"letters": 1, "changing": record.step}
        np.testing.assert_allclose(record.adjustment.totals, letters + record.step * changed, atol=1e-6)
    assert "rewards/diversity/mean" in trainer.state.log_history[0]


def test_a_reward_that_is_called_by_hand_answers_as_it_is(policy, tmp_path):
    trainer = train(DRATrainer, policy, tmp_path, embedder=HASH, record=False, reward_funcs=tiny.letters)
    assert trainer.reward_funcs[0]([[{"content": "ee"}]]) == [1 - 1 / 3]


def test_evaluation_is_measured_and_recorded_and_not_adjusted(policy, tmp_path):
    config = {"eval_strategy": "steps", "eval_steps": 3, "per_device_eval_batch_size": 8}
    trainer, records = recorded(
        policy, tmp_path, config=config, eval_dataset=tiny.prompts(4), rollout_func=tiny.fixed_rollouts()
    )
    evaluated = [r for r in records if r.mode == "eval"]
    assert [(r.step, r.batch, r.index) for r in evaluated] == [(3, 0, i) for i in range(4)]
    for r in evaluated:
        np.testing.assert_array_equal(r.adjustment.weights, 1)
        np.testing.assert_allclose(r.advantages, r.plain_advantages, atol=1e-4)
    row = next(row for row in trainer.state.log_history if "eval_reward" in row)
    assert row["eval_rewards/diversity/mean"] == 0
    assert row["eval_diversity/similarity"] > 0


def test_completions_that_nobody_scored_get_no_advantage(policy, tmp_path):
    _, records = recorded(policy, tmp_path, reward_funcs=[tiny.picky], rollout_func=tiny.fixed_rollouts())
    unscored = [
        (r.advantages[i], r.adjustment.adjusted[i])
        for r in records
        for i in np.flatnonzero(np.isnan(r.adjustment.totals))
    ]
    assert unscored
    assert all(advantage == 0 and np.isnan(adjusted) for advantage, adjusted in unscored)


def test_several_generations_in_one_step_are_kept_apart(policy, tmp_path):
    config = {"gradient_accumulation_steps": 2, "steps_per_generation": 1, "max_steps": 2}
    _, records = recorded(policy, tmp_path, config=config)
    assert [(r.step, r.batch, r.index) for r in records] == [(s, b, i) for s in (1, 2) for b in (0, 1) for i in (0, 1)]


def test_a_generation_used_for_several_steps_is_recorded_once(policy, tmp_path):
    _, records = recorded(policy, tmp_path, config={"num_iterations": 2, "max_steps": 4})
    assert [(r.step, r.index) for r in records] == [(1, 0), (1, 1), (3, 0), (3, 1)]


def test_embeddings_are_kept_on_request(policy, tmp_path):
    _, records = recorded(policy, tmp_path, keep_embeddings=True, config={"max_steps": 1})
    E = records[0].embeddings
    np.testing.assert_allclose(E @ E.T, records[0].adjustment.similarity, atol=1e-5)


class TestRefusals:
    def test_normalize_then_sum(self, policy, tmp_path):
        with pytest.raises(ValueError, match="undo the adjustment"):
            train(
                DRATrainer,
                policy,
                tmp_path,
                embedder=HASH,
                config={"multi_objective_aggregation": "normalize_then_sum"},
            )

    def test_no_embedder(self, policy, tmp_path):
        with pytest.raises(ValueError, match="needs an embedder"):
            train(DRATrainer, policy, tmp_path, embedder="none")

    def test_reward_of_the_same_name(self, policy, tmp_path):
        def diversity(completions, **_):
            return [0.0] * len(completions)

        with pytest.raises(ValueError, match="rename it"):
            train(DRATrainer, policy, tmp_path, embedder=HASH, reward_funcs=[diversity])
