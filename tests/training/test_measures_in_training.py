"""Diversity measures in the trainer: what they read is gathered and recorded, and what they make is what trains."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from dra_toolkit.diversity import DiversitySettings, Effect, adjust, adjusted_advantages
from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.errors import MeasureError
from dra_toolkit.training.batch import mean_log_probs
from dra_toolkit.training.trainer import DRATrainer

HASH = EmbedderSettings(name="hash")
CALLED: list[tuple[int, ...]] = []


def no_advantage(signals):
    """Nothing trains."""
    CALLED.append(signals.totals.shape)
    return Effect(weights=np.zeros(signals.totals.shape))


no_advantage.acts_on = "advantage"


def warm(completions, **_):
    """Reward that is positive for some completions of a group, and negative for others."""
    return [value + 0.2 for value in tiny.letters(completions)]


def first_word(texts):
    """Cluster completions by how they begin."""
    return [text.split(" ")[0] for text in texts]


def with_log_probs(rollout):
    """Let a rollout say that the j-th completion's tokens have the log-probability -j - 1."""

    def made(prompts, trainer):
        output = rollout(prompts, trainer)
        ids = output["completion_ids"]
        return {**output, "logprobs": [[-1.0 - j] * len(row) for j, row in enumerate(ids)]}

    return made


def train(policy, folder, settings, *, config=None, rollout=None, embedder=HASH):
    records = []
    trainer = DRATrainer(
        model=str(policy),
        reward_funcs=[warm],
        args=tiny.grpo_config(folder, **(config or {})),
        train_dataset=tiny.prompts(),
        rollout_func=rollout or tiny.fixed_rollouts(),
        diversity=settings,
        embedder=embedder,
        on_groups=records.extend,
    )
    trainer.train()
    return trainer, records


def replayed(record, settings):
    """Return the advantages that follow from a record and its settings alone."""
    adjustment = adjust(
        similarity=record.adjustment.similarity[None],
        totals=record.adjustment.totals[None],
        settings=settings,
        step=record.step,
        labels=None if record.labels is None else record.labels[None],
        log_probs=None if record.log_probs is None else record.log_probs[None],
        correct=(record.group.rewards["warm"] > 0)[None],
    )
    np.testing.assert_allclose(adjustment.weights[0], record.adjustment.weights, atol=1e-6)
    np.testing.assert_allclose(adjustment.adjusted[0], record.adjustment.adjusted, atol=1e-6)
    return adjusted_advantages(adjustment, "group", settings)[0]


@pytest.mark.parametrize(
    "settings",
    [
        DiversitySettings(measure="log_det"),
        DiversitySettings(measure="set_utility"),
        DiversitySettings(measure="uniqueness", labels="test_measures_in_training.first_word"),
        DiversitySettings(measure="darling", labels="similarity", label_threshold=0.5, similarity_centre="group_mean"),
        DiversitySettings(measure="unlikeliness"),
        DiversitySettings(measure="ucpo", zero_spread_groups="cap", weights="mean_one"),
        DiversitySettings(zero_spread_groups="cap", start_step=2, ramp_steps=3),
    ],
    ids=lambda settings: settings.measure,
)
def test_advantages_that_train_follow_from_the_record(policy, tmp_path, settings):
    trainer, records = train(policy, tmp_path, settings)
    assert len(records) == 6
    for record in records:
        np.testing.assert_allclose(record.advantages, replayed(record, settings), atol=2e-4)
    shown = np.array(trainer._logs["advantages"])[-8:]
    np.testing.assert_allclose(shown, np.concatenate([r.advantages for r in records[-2:]]), atol=1e-6)
    assert max(np.abs(r.advantages - r.plain_advantages).max() for r in records) > 1e-3
    assert (records[0].labels is not None) == settings.labels.startswith("test_")
    assert (records[0].log_probs is not None) == (settings.measure in ("unlikeliness", "ucpo"))


def test_what_replaces_the_advantages_is_what_trains(policy, tmp_path):
    """A measure of the user's own that takes every advantage away leaves the weights of the policy where they were."""
    settings = DiversitySettings(measure="test_measures_in_training.no_advantage")
    trainer, records = train(policy, tmp_path, settings)
    assert all((record.advantages == 0).all() for record in records)
    assert max(np.abs(record.plain_advantages).max() for record in records) > 0.5
    from transformers import AutoModelForCausalLM

    before = AutoModelForCausalLM.from_pretrained(policy).state_dict()
    for name, parameter in trainer.model.state_dict().items():
        assert torch.equal(parameter, before[name]), name


def test_log_probabilities_are_the_samplers_where_it_gives_them(policy, tmp_path):
    rollout = with_log_probs(tiny.fixed_rollouts())
    _, records = train(policy, tmp_path, DiversitySettings(measure="unlikeliness"), rollout=rollout)
    found = np.concatenate([record.log_probs for record in records if record.step == 1])
    np.testing.assert_allclose(found, -1.0 - np.arange(8))


def test_log_probabilities_are_read_once_more_where_the_sampler_gives_none(policy, tmp_path):
    config = {"temperature": 0.7, "max_steps": 1}
    settings = DiversitySettings(measure="unlikeliness")
    trainer, records = train(policy, tmp_path, settings, config=config, embedder="none")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(policy).eval()
    tokenizer = trainer.processing_class
    for record in records:
        prompt = [{"role": message.role, "content": message.content} for message in record.group.prompt]
        ids = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        for text, found in zip(record.group.completions, record.log_probs, strict=True):
            spoken = [*tokenizer.encode(text), tokenizer.eos_token_id]
            logits = model(torch.tensor([[*ids, *spoken]])).logits[0, len(ids) - 1 : -1] / 0.7
            expected = torch.log_softmax(logits, -1).gather(1, torch.tensor(spoken)[:, None]).mean()
            assert found == pytest.approx(expected.item(), abs=1e-4)
    assert np.isnan(records[0].adjustment.similarity).all(), "no embedder was needed"


def test_mean_log_probabilities_leave_out_what_is_not_known():
    found = mean_log_probs([[-1.0, -3.0], [None, -2.0, float("nan")], [], [None]])
    np.testing.assert_array_equal(found, [-2, -2, np.nan, np.nan])


def test_a_measure_that_is_not_there_is_a_line(policy, tmp_path):
    settings = DiversitySettings(measure="test_measures_in_training.no_advantages")
    with pytest.raises(MeasureError, match="did you mean 'no_advantage'"):
        train(policy, tmp_path, settings)


def test_evaluation_needs_nothing_of_a_measure(policy, tmp_path):
    config = {"eval_strategy": "steps", "eval_steps": 3, "per_device_eval_batch_size": 8}
    records = []
    trainer = DRATrainer(
        model=str(policy),
        reward_funcs=[warm],
        args=tiny.grpo_config(tmp_path, **config),
        train_dataset=tiny.prompts(),
        eval_dataset=tiny.prompts(2),
        rollout_func=tiny.fixed_rollouts(),
        diversity=DiversitySettings(measure="ucpo"),
        embedder=HASH,
        on_groups=records.extend,
    )
    trainer.train()
    evaluated = [record for record in records if record.mode == "eval"]
    assert evaluated
    for record in evaluated:
        assert record.log_probs is None
        np.testing.assert_allclose(record.advantages, record.plain_advantages, atol=1e-4)
