"""TRL's asynchronous trainer itself on a CPU with the adjustment as its reward: its loop, packing, loss and weight sync.

What needs a GPU is stood in for: the worker that samples from a vLLM server, at the trainer's own seam (here a copy of the
policy, which gets its weights by the trainer's own sync), the FlashAttention kernel (here the same sum, written
out), and the question how fast the GPU is.
"""

from __future__ import annotations

import asyncio
import queue
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer, async_grpo_trainer, packing
from trl.experimental.async_grpo.async_rollout_worker import RolloutGroup, TrainingSequence, _AsyncRolloutLoop

from dra_toolkit import AdjustedReward
from dra_toolkit.diversity import ESTIMATORS, adjust, group_advantages
from dra_toolkit.embedding import EmbedderSettings, load_embedder

HASH = EmbedderSettings(name="hash")
G = 4


def attend(query, key, value, cu_q, cu_k, most_q, most_k, *, softmax_scale, causal, window_size):
    """Attention (N, heads, d) of each segment of queries to its own path of keys, whose last ones they are."""
    parts = []
    shared = query.shape[1] // key.shape[1]
    for (q0, q1), (k0, k1) in zip(pairwise(cu_q), pairwise(cu_k), strict=True):
        keys, values = (each[k0:k1].repeat_interleave(shared, dim=1) for each in (key, value))
        scores = torch.einsum("qhd,khd->hqk", query[q0:q1], keys) * softmax_scale
        seen = torch.ones(q1 - q0, k1 - k0, dtype=torch.bool).tril(int(k1 - k0 - (q1 - q0)))
        parts.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, -torch.inf).softmax(-1), values))
    return torch.cat(parts)


class Worker(queue.Queue):
    """Samples a group from a copy of the policy whenever the trainer asks; TRL's own loop scores it."""

    def __init__(self, model: str, reward) -> None:
        super().__init__()
        self.rollout_buffer, self.metrics_queue = self, queue.Queue()
        self.policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.reward, self.version, self.asked, self.groups, self.sent = reward, 0, 0, [], 0

    def get(self, timeout=None):
        if self.empty():
            for sample in self.scored(self.sampled()):
                self.put(sample)
        return super().get(timeout=timeout)

    def sampled(self) -> RolloutGroup:
        self.asked += 1
        prompt = [{"role": "user", "content": f"What is {self.asked} + 1?"}]
        asked = self.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        made = self.policy.generate(
            torch.tensor([asked] * G), do_sample=True, top_k=0, max_new_tokens=8, min_new_tokens=8, pad_token_id=0
        )
        with torch.no_grad():
            told = self.policy(made).logits[:, len(asked) - 1 : -1].log_softmax(-1)
        ids = made[:, len(asked) :]
        log_probs = told.gather(-1, ids[..., None])[..., 0]
        rows = [
            TrainingSequence(
                rollout_id=row,
                input_ids=made[row].tolist(),
                completion_mask=[0] * len(asked) + [1] * ids.shape[1],
                old_log_probs=[0.0] * len(asked) + log_probs[row].tolist(),
            )
            for row in range(G)
        ]
        return RolloutGroup(
            prompts=[prompt] * G,
            reward_kwargs={},
            completions=[[{"role": "assistant", "content": self.tokenizer.decode(each)}] for each in ids],
            completions_ids=ids.tolist(),
            completions_sequences=[[row] for row in rows],
            tool_call_counts=[0] * G,
            tool_failure_counts=[0] * G,
            model_version=self.version,
            group_id=self.asked,
            env_rewards=[None] * G,
            rollout_rewards=[None] * G,
        )

    def scored(self, group: RolloutGroup):
        loop = SimpleNamespace(
            reward_funcs=[self.reward],
            reward_func_names=["adjusted"],
            _env_reward_types=[],
            _provides_rollout_reward=False,
        )
        samples = asyncio.run(_AsyncRolloutLoop._score_group(loop, group))
        self.groups.append((group, np.array([sample.advantage for sample in samples])))
        return samples

    def send_weights(self, iterator) -> None:
        own = dict(self.policy.named_parameters())
        with torch.no_grad():
            self.sent += sum(own[name].copy_(value).numel() > 0 for name, value in iterator if name in own)

    def update_model_version(self, version: int) -> None:
        self.version = version

    def check_health(self, stale_after_s: float) -> None: ...

    start = stop = init_weight_transfer = pause = resume = destroy = lambda self: None


@pytest.mark.slow
def test_it_trains_on_the_adjusted_rewards_of_whole_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_flash_attn", lambda: SimpleNamespace(flash_attn_varlen_func=attend))
    monkeypatch.setattr(async_grpo_trainer, "get_peak_flops_per_device", lambda *_: None)
    model = str(tiny.save_policy(tmp_path / "policy"))
    worker = Worker(model, AdjustedReward([tiny.letters], embedder=HASH))
    config = AsyncGRPOConfig(
        str(tmp_path / "out"),
        max_steps=3,
        num_generations=G,
        per_device_train_batch_size=G,
        gradient_accumulation_steps=1,
        token_budget=0,
        weight_sync_steps=1,
        learning_rate=1e-2,
        logging_steps=1,
        dtype="float32",
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        seed=1,
    )
    trainer = AsyncGRPOTrainer(
        model, worker.reward, config, train_dataset=tiny.prompts(), rollout_worker=worker, weight_transfer=worker
    )
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    trainer.train()
    assert trainer.state.global_step == 3
    assert any(not torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True))
    assert worker.sent > 0
    ratios = [row["ratio"] for row in trainer.state.log_history if "ratio" in row]
    assert ratios[0] == pytest.approx(1.0, abs=1e-3)  # the policy that is trained is the one that sampled
    moved = 0.0
    for group, advantages in worker.groups:
        texts = [said[0]["content"] for said in group.completions]
        totals = np.array(tiny.letters(group.completions))
        vectors = load_embedder(HASH, device="cpu").embed(texts).vectors
        adjusted = adjust(embeddings=vectors, totals=totals).adjusted
        expected, plain = (group_advantages(each[None], ESTIMATORS["trl_async"])[0] for each in (adjusted, totals))
        np.testing.assert_allclose(advantages, expected, atol=1e-6)
        moved = max(moved, np.abs(advantages - plain).max())
    assert moved > 0.01
