"""A policy of a few thousand parameters, made on the spot, and runs of it; used by tests and by their child processes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from letters import letters as letters
from letters import picky as picky
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig

from dra_toolkit.quickstart.tokenizer import build_tokenizer

WORDS = ["ones", "tens", "carry", "1", "2", "3", "then", "jump"]


def save_policy(folder: Path, seed: int = 0) -> Path:
    """Save a randomly initialised policy with its tokenizer."""
    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prompts(count: int = 64) -> Dataset:
    """Return prompts that are all different."""
    return Dataset.from_dict({"prompt": [[{"role": "user", "content": f"What is {i} + 1?"}] for i in range(count)]})


SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": 8,
    "num_generations": 4,
    "max_completion_length": 12,
    "max_steps": 3,
    "learning_rate": 1e-2,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "use_cpu": not os.environ.get("DRA_TEST_CUDA"),  # set by benchmarks/gpu
    "bf16": False,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "seed": 1,
}


def grpo_config(folder: Path, **changes: Any) -> GRPOConfig:
    """Return a small, quick configuration on the CPU."""
    return GRPOConfig(**({"output_dir": str(folder)} | SETTINGS | changes))


def fixed_rollouts(seed: int = 7) -> Callable[[list[Any], Any], dict[str, list[Any]]]:
    """Return a rollout function whose completions depend on the position in the whole batch alone.

    So runs under different process layouts score the same completions. Every third one repeats its neighbour.
    """
    calls = 0

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, list[Any]]:
        nonlocal calls
        tokenizer, first = trainer.processing_class, trainer.accelerator.process_index * len(prompts)
        texts = []
        for position in range(first, first + len(prompts)):
            source = random.Random(f"{seed}-{calls}-{position - 1 if position % 3 == 2 else position}")
            texts.append(" ".join(source.choices(WORDS, k=source.randint(1, 8))))
        calls += 1
        prompt_ids = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in texts]
        return {"prompt_ids": prompt_ids, "completion_ids": ids, "logprobs": None}

    return rollout
