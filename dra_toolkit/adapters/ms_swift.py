"""ms-swift: `swift rlhf --rlhf_type grpo --external_plugins .../dra_toolkit/adapters/swift_plugin/register.py`.

The plugin names this subclass of swift's own GRPO trainer. Rewards are adjusted after swift has gathered them,
on the main process, and swift's own function makes the advantages of them; what swift logs of rewards is of the raw ones.
`$DRA_SETTINGS` names the settings file.
"""

import os
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from swift.rl_core.advantage import compute_advantages, compute_advantages_dynamic
from swift.rlhf_trainers import GRPOTrainer

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.rows import EngineRows
from dra_toolkit.adapters.settings import given_settings
from dra_toolkit.diversity import estimator_of, replaces_advantages
from dra_toolkit.errors import RunError
from dra_toolkit.rewards.text import completion_text

COLUMNS = ("prompts", "completions", "tokens", "finish_reasons", "golds")


class DRAGRPOTrainer(GRPOTrainer):
    """swift's GRPO trainer with the adjustment between its rewards and its advantages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = given_settings(os.environ.get("DRA_SETTINGS"), "ms-swift")
        if self.advantage_estimator != "grpo" or self.scale_rewards == "gdpo" or (self.kl_in_reward and self.beta):
            raise RunError("advantages: expected advantage_estimator grpo, scale_rewards not gdpo, kl_in_reward false")
        self.dra: EngineRun | None = None
        if self.accelerator.is_main_process:
            weights = dict(zip(self.reward_func_names, self.reward_weights.tolist(), strict=True))
            estimator = estimator_of(self.scale_rewards)
            self.dra = EngineRun(settings, engine="ms-swift", reward_weights=weights, estimator=estimator)

    def _compute_advantages(self, samples: Any, rewards_per_func: Any, batch_encoded_inputs: Any) -> Any:
        plain = super()._compute_advantages(samples, rewards_per_func, batch_encoded_inputs)
        if not self.model.training:
            return plain
        told = gather_object([_told(self.processing_class, sample) for sample in samples])
        group, ragged = self.num_generations, self.dynamic_num_samples
        prompts = [row["prompt_id"] if ragged else number // group for number, row in enumerate(told)]
        requests = [row["request"] if ragged else number for number, row in enumerate(told)]
        batch, shared = None, list[Any]([None])
        if self.dra is not None:
            found = rewards_per_func.double().cpu().numpy()
            rewards = {name: found[:, k] for k, name in enumerate(self.reward_func_names)}
            columns: dict[str, Any] = {name: [row[name] for row in told] for name in COLUMNS}
            rows = EngineRows(group_ids=prompts, trajectories=requests, rewards=rewards, **columns)
            batch = self.dra.adjust(rows, step=self.state.global_step + 1)
            replaced = replaces_advantages(self.dra.settings, self.dra.estimator)
            shared = [batch.by_row(self.dra.advantages(batch) if replaced else batch.found.adjusted), replaced]
        values, replaced = broadcast_object_list([*shared, None][:2])
        totals = torch.tensor(values, dtype=rewards_per_func.dtype, device=rewards_per_func.device)[:, None]
        one = torch.ones(1, dtype=totals.dtype, device=totals.device)
        how = {"advantage_estimator": self.advantage_estimator, "scale_rewards": self.scale_rewards}
        if replaced:
            advantages = totals[:, 0]
        elif ragged:
            advantages, _ = compute_advantages_dynamic(totals, one, prompts, requests, **how)
        else:
            advantages, _ = compute_advantages(totals, one, group, **how)
        if self.dra is not None and batch is not None:
            used = advantages.double().cpu().numpy()[batch.row_of]
            for name, value in self.dra.record(batch, used).items():
                self._metrics["train"][name].append(value)
        return advantages


def _told(tokenizer: Any, sample: Any) -> dict[str, Any]:
    """Return what a process tells the others of a sample."""
    *prompt, answer = sample.messages
    content = answer["content"]
    if not isinstance(content, str):
        content = tokenizer.decode(content["token_ids"] if isinstance(content, dict) else content)
    ids = sample.response_token_ids or []
    count = sum(map(len, ids)) if ids and isinstance(ids[0], list) else len(ids)
    return {
        "request": sample.request_id,
        "prompt_id": sample.prompt_id,
        "prompts": prompt,
        "completions": completion_text([{**answer, "content": content}]),
        "tokens": count or len(tokenizer.encode(content)),
        "finish_reasons": "length" if sample.finish_reason == "length" else "stop",
        "golds": sample.extra.get("solution"),
    }
