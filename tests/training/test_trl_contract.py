"""What the trainer relies on in TRL: a change there breaks a test here, and not a run."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from accelerate.utils import gather_object
from huggingface_hub import ModelCard
from trl import GRPOTrainer

from dra_toolkit.diversity import group_advantages, total_rewards
from dra_toolkit.training.trainer import DRATrainer


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
    assert parameters(GRPOTrainer.create_model_card) == ["self", "model_name", "dataset_name", "tags"]
    assert parameters(GRPOTrainer._push_from_checkpoint) == ["self", "checkpoint_folder"]
    assert parameters(GRPOTrainer._get_output_dir) == ["self", "trial"]
    assert parameters(gather_object) == ["object"]
    assert {"epoch", "epochs_trained", "steps_trained_in_current_epoch"} <= {*parameters(GRPOTrainer._run_epoch)}


def test_where_a_generation_begins_is_counted_in_batches():
    """A resumed run sets the count to that of the run that it goes on from."""
    assert "self._step % generate_every == 0" in inspect.getsource(GRPOTrainer._prepare_inputs)
    assert "self._step += 1" in inspect.getsource(GRPOTrainer.training_step)


def test_what_recipes_call_without_effect_is_not_read():
    """Evaluation returns a loss alone, so nothing gathers predictions; the order of prompts is GRPO's own."""
    assert "return loss, None, None" in inspect.getsource(GRPOTrainer.prediction_step)
    sampler = inspect.getsource(GRPOTrainer._get_train_sampler)
    assert "train_sampling_strategy" not in sampler
    assert "length_column_name" not in sampler
    assert "images is not None and self.log_multimodal" in inspect.getsource(
        GRPOTrainer._generate_and_score_completions
    )


def test_the_docs_name_all_that_is_overridden():
    ours = [kind for kind in DRATrainer.__mro__ if kind not in GRPOTrainer.__mro__]
    overridden = {name for kind in ours for name in vars(kind) if callable(getattr(GRPOTrainer, name, None))}
    overridden = {name for name in overridden if not name.startswith("__")}
    text = (Path(__file__).parents[2] / "docs/how-it-works.md").read_text(encoding="utf-8")
    assert overridden >= {"_calculate_rewards", "create_model_card"}
    assert {name for name in overridden if f"- `{name}`" not in text} == set()


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
    totals = total_rewards(rewards.double().cpu().numpy(), np.array([1.0, 0.5])).reshape(-1, 4)
    expected = group_advantages(totals, scaling).reshape(-1)
    np.testing.assert_allclose(trainer.output["advantages"].cpu().numpy(), expected, atol=2e-6)
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


def test_what_is_asked_of_a_trainer_by_name_is_there(watched):
    trainer = watched()
    assert set(trainer._metrics) == {"train", "eval"}
    assert {"prompt", "completion", "rewards", "advantages"} <= set(trainer._logs)
    assert trainer._tokenizer is trainer.processing_class
    assert isinstance(trainer._tokenizer.pad_token_id, int)
    assert trainer._tokenizer.eos_token_id in trainer.eos_token_ids
    assert (trainer.num_generations, trainer.num_generations_eval) == (4, 4)
    assert (trainer.scale_rewards, trainer.multi_objective_aggregation) == ("group", "sum_then_normalize")
    assert trainer._get_output_dir(trial=None) == trainer.args.output_dir
    assert trainer.hub_model_id is None


def test_a_save_writes_the_card_first_and_pushes_from_the_checkpoint(policy, tmp_path):
    class Saving(GRPOTrainer):
        def create_model_card(self, *args, **kwargs):
            super().create_model_card(*args, **kwargs)
            happened.append(("card", ModelCard.load(Path(self.args.output_dir) / "README.md").data.tags))

        def _save_checkpoint(self, model, trial):
            super()._save_checkpoint(model, trial)
            happened.append(("saved", sorted(p.name for p in tmp_path.glob("checkpoint-*"))))

        def _push_from_checkpoint(self, checkpoint_folder):
            happened.append(("pushed", Path(checkpoint_folder).name))

        def init_hf_repo(self, token=None):
            self.hub_model_id = "me/run"  # no Hub is asked

    happened: list[tuple] = []
    Saving(
        model=str(policy),
        reward_funcs=tiny.letters,
        args=tiny.grpo_config(tmp_path, max_steps=1, save_strategy="steps", save_steps=1, push_to_hub=True),
        train_dataset=tiny.prompts(),
        rollout_func=tiny.fixed_rollouts(),
    ).train()
    assert [kind for kind, _ in happened[:3]] == ["card", "pushed", "saved"]
    assert {"trl", "grpo"} <= set(happened[0][1])
    assert [what for _, what in happened[1:3]] == ["checkpoint-1", ["checkpoint-1"]]


def test_accelerate_takes_its_device_from_the_environment():
    """Else it says cpu:0, and torch cannot load an optimizer's state to a numbered CPU."""
    script = "from accelerate import PartialState; print(PartialState(cpu=True).device)"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ACCELERATE_TORCH_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["cpu"]


def test_names_of_the_logs_that_are_kept_raw(watched):
    logged = watched().logged
    assert {"reward", "reward_std", "frac_reward_zero_std"} <= set(logged)


def test_a_rollout_without_a_token_ends_plain_trl_in_an_error_so_a_recipe_refuses_it(policy, tmp_path):
    """`dra train` says it in one line; were TRL to take such rollouts, a recipe should."""

    def nothing_sampled(prompts, trainer):
        return {"prompt_ids": [[1]] * len(prompts), "completion_ids": [[]] * len(prompts), "logprobs": None}

    config = tiny.grpo_config(tmp_path, max_steps=1)
    plain = GRPOTrainer(str(policy), tiny.letters, config, tiny.prompts(), rollout_func=nothing_sampled)
    with pytest.raises(IndexError):
        plain.train()
