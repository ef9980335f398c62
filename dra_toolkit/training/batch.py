"""One generation batch seen as groups, measured: the records that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trl.trainer.utils import pad

from dra_toolkit.diversity import (
    RECORDED,
    DiversitySettings,
    Estimator,
    Labeller,
    PromptHistory,
    Scaling,
    Signals,
    adjust_signals,
    adjusted_advantages,
    equal_labels,
    group_advantages,
    total_rewards,
)
from dra_toolkit.groups import Array, CompletionGroup, GroupRecord, Prompt, Turns, prompt_hash
from dra_toolkit.judge.joining import joined
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer

Tokens = Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One completion as a process hands it to the others: who asked what, what was answered."""

    prompt: Prompt
    text: str
    """All that the policy wrote."""
    tokens: int
    finish_reason: str
    turns: Turns | None = None
    """What was said in turn, where that is more than one text."""
    policy_tokens: int | None = None
    """How many of the tokens the policy wrote, where tools wrote others."""
    gold: str | None = None
    verdict: str | None = None


def measure(
    *,
    samples: Sequence[Sample],
    rewards: Array,
    reward_weights: Mapping[str, float],
    embeddings: Array | None,
    group_size: int,
    settings: DiversitySettings,
    scale_rewards: Scaling | Estimator,
    keep_embeddings: bool = False,
    step: int | None = None,
    of_policy: Mapping[str, Array] | None = None,
    labeller: Labeller | None = None,
    correct_by: str | None = None,
    history: PromptHistory | None = None,
) -> list[GroupRecord]:
    """Adjust the gathered rewards (N, K) of whole groups, given the embeddings (N, d) of their completions.

    Returns the P groups, equal on every process, with the advantages that follow; mode, step, batch and attempt are left
    for `replace`. Without embeddings similarity and redundancy are NaN, and the measure must do without.

    of_policy   (N,) what the policy told of each, by the names of `OF_POLICY`, where the measure reads it
    labeller    makes the clusters; without one, completions of equal final answers are one
    correct_by  the reward function that tells right from wrong; without one, positive totals are right
    history     the prompts' earlier groups, to which these are added
    """
    totals = total_rewards(rewards, np.array(list(reward_weights.values()))).reshape(-1, group_size)
    P, G = totals.shape
    correct: Any = None
    if correct_by is not None:
        correct = (rewards[:, list(reward_weights).index(correct_by)] > CORRECT_ABOVE).reshape(P, G)
    signals = Signals(
        totals=totals,
        embeddings=None if embeddings is None else embeddings.reshape(P, G, -1),
        correct=correct,
        labels=_labels(samples, G, labeller) if "labels" in settings.needs else None,
        lengths=np.array([sample.tokens for sample in samples], dtype=np.float64).reshape(P, G),
        **{name: values.reshape(P, G) for name, values in (of_policy or {}).items()},
    )
    if history is not None:
        signals = replace(signals, history=_history(signals, samples, history))
    adjustment = adjust_signals(signals, settings, step)
    plain = group_advantages(totals, scale_rewards)
    advantages = adjusted_advantages(adjustment, scale_rewards, settings)
    kept = {name: getattr(signals, name) for name in RECORDED if name != "embeddings" or keep_embeddings}
    return [
        GroupRecord(
            mode="train",
            step=0,
            batch=0,
            index=p,
            attempt=0,
            group=_group(samples[p * G : (p + 1) * G], rewards[p * G : (p + 1) * G], reward_weights),
            adjustment=adjustment[p],
            plain_advantages=plain[p],
            advantages=advantages[p],
            **{name: values[p] for name, values in kept.items() if values is not None},
        )
        for p in range(P)
    ]


def totals_of(records: Sequence[GroupRecord]) -> Array:
    """Return the raw totals of P groups, (P, G)."""
    return np.stack([record.adjustment.totals for record in records])


def _group(samples: Sequence[Sample], rewards: Array, reward_weights: Mapping[str, float]) -> CompletionGroup:
    def of(name: str) -> Any:
        found = tuple(getattr(sample, name) for sample in samples)
        return None if all(value is None for value in found) else found

    return CompletionGroup(
        prompt=samples[0].prompt,
        completions=of("text"),
        token_counts=np.array(of("tokens"), dtype=np.int32),
        finish_reasons=of("finish_reason"),
        rewards={name: rewards[:, k] for k, name in enumerate(reward_weights)},
        reward_weights=reward_weights,
        turns=of("turns"),
        policy_tokens=None if samples[0].policy_tokens is None else np.array(of("policy_tokens")),
        gold=samples[0].gold,
        verdicts=of("verdict"),
    )


def _history(signals: Signals, samples: Sequence[Sample], history: PromptHistory) -> Array:
    """Return what was known of the prompts, (P, G, 2), and add what is known now."""
    P, G = signals.totals.shape
    prompts = [prompt_hash(sample.prompt) for sample in samples[::G]]
    before = history.before(prompts)
    for prompt, right in zip(prompts, signals.correct.sum(axis=-1).tolist(), strict=True):
        history.add(prompt, right, G - right)
    return np.broadcast_to(before[:, None, :], (P, G, 2))


def _labels(samples: Sequence[Sample], G: int, labeller: Labeller | None) -> NDArray[np.integer[Any]]:
    texts = [sample.text for sample in samples]
    groups = [texts[start : start + G] for start in range(0, len(texts), G)]
    if labeller is None:
        return np.stack([equal_labels(joined(map(final_answer, group))) for group in groups])
    return np.stack([labeller(group) for group in groups])


def mean_log_probs(sampled: Sequence[Sequence[float | None]]) -> Array:
    """Return the mean over each completion's tokens, (n,), as the sampler gave them; NaN without a number."""
    known = [[value for value in row if value is not None and np.isfinite(value)] for row in sampled]
    return np.array([np.mean(row) if row else np.nan for row in known], dtype=np.float64)


def read_log_probs(trainer: Any, prompt_ids: Tokens, completion_ids: Tokens) -> Array:
    """Return the same, (n,), from one forward pass of the policy, at the sampling temperature.

    For samplers that give none, as transformers' own. Every process must call it.
    """
    device, filler = trainer.accelerator.device, trainer._tokenizer.pad_token_id
    prompts, prompt_mask = _padded(prompt_ids, filler, "left")
    completions, completion_mask = _padded(completion_ids, filler, "right")
    with torch.no_grad():
        found, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([prompts, completions], dim=1).to(device),
            torch.cat([prompt_mask, completion_mask], dim=1).to(device),
            completions.shape[1],
            batch_size=trainer.args.per_device_train_batch_size,
        )
    mask = completion_mask.to(found)
    counts = mask.sum(dim=1)
    means = (found.float() * mask).sum(dim=1) / counts
    return torch.where(counts > 0, means, torch.nan).double().cpu().numpy()


def _padded(rows: Tokens, filler: int, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = [torch.tensor(list(row), dtype=torch.long) for row in rows]
    masks = [torch.ones_like(row) for row in tensors]
    return pad(tensors, padding_value=filler, padding_side=side), pad(masks, padding_value=0, padding_side=side)
