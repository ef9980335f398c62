"""What the trainer relies on in TRL: a change there breaks a test here, and not a run."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tiny
import torch
from trl import GRPOTrainer

from dra_toolkit.diversity import group_advantages, total_rewards


def parameters(method) -> list[str]:
    return list(inspect.signature(method).parameters)


def test_signatures():
    assert parameters(GRPOTrainer._calculate_rewards) == [
        "self", "inputs", "prompts", "completions", "completion_ids_list",
    ]  # fmt: skip
    assert parameters(GRPOTrainer._generate_and_score_completions) == ["self", "inputs"]
    assert parameters(GRPOTrainer._generate) == ["self", "prompts"]
    assert parameters(GRPOTrainer._get_per_token_logps_and_entropies)[:6] == [
        "self", "model", "input_ids", "attention_mask", "logits_to_keep", "batch_size",
    ]  # fmt: skip
    assert parameters(GRPOTrainer._save_checkpoint) == ["self", "model", "trial"]
    assert parameters(GRPOTrainer._log_metric) == ["self", "name", "value"]


class Watched(GRPOTrainer):
    """TRL's trainer, its two methods watched."""

    def _calculate_rewards(self, *args, **kwargs):
        rewards = super()._calculate_rewards(*args, **kwargs)
        self.seen = (args[1], args[3], rewards.clone())
        return rewards

    def _generate(self, prompts):
        self.generated = super()._generate(prompts)
        return self.generated

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.output = output
        self.logged = {name: values[-1] for name, values in self._metrics["train"].items()}
        return output


@pytest.fixture(scope="module")
def watched(policy, tmp_path_factory):
    def make(**changes):
        trainer = Watched(
            model=str(policy),
            reward_funcs=[tiny.letters, tiny.picky],
            args=tiny.grpo_config(tmp_path_factory.mktemp("out"), max_steps=1, reward_weights=[1.0, 0.5], **changes),
            train_dataset=tiny.prompts(),
            rollout_func=tiny.fixed_rollouts(),
        )
        trainer.train()
        return trainer

    return make


@pytest.mark.parametrize("scaling", ["group", "batch", "none"])
def test_advantages_are_ours(watched, scaling):
    trainer = watched(scale_rewards=scaling)
    _, _, rewards = trainer.seen
    totals = total_rewards(rewards.double().numpy(), np.array([1.0, 0.5])).reshape(-1, 4)
    expected = group_advantages(totals, scaling).reshape(-1)
    np.testing.assert_allclose(trainer.output["advantages"].numpy(), expected, atol=2e-6)
    assert np.abs(expected).max() > 0.1


def test_rewards_are_gathered_in_group_order_with_one_column_per_function(watched):
    trainer = watched()
    prompts, ids, rewards = trainer.seen
    assert rewards.shape == (8, 2)
    assert len(ids) == 8
    assert torch.isnan(rewards[:, 1]).any(), "an abstention is NaN"
    texts = [prompt[0]["content"] for prompt in prompts]
    assert texts[:4] == [texts[0]] * 4
    assert texts[4:] == [texts[4]] * 4
    assert trainer.reward_func_names == ["letters", "picky"]
    assert trainer.reward_weights.tolist() == [1.0, 0.5]


def test_generation_returns_prompts_completions_and_log_probabilities_in_their_places(watched):
    prompt_ids, completion_ids, _, _, sampled, *_ = watched().generated
    assert len(prompt_ids) == len(completion_ids) == 8
    assert all(isinstance(token, int) for row in (*prompt_ids, *completion_ids) for token in row)
    assert sampled is None


def test_advantages_are_kept_for_the_table_in_gathered_order(watched):
    trainer = watched()
    np.testing.assert_allclose(list(trainer._logs["advantages"])[-8:], trainer.output["advantages"].tolist())


def test_names_of_the_logs_that_are_kept_raw(watched):
    logged = watched().logged
    assert {"reward", "reward_std", "frac_reward_zero_std"} <= set(logged)
