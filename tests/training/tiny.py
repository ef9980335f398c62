"""A policy of a few thousand parameters, made on the spot, and runs of it; used by tests and by their child processes."""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
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


def letters(completions: list[Any], **_: Any) -> list[float]:
    """Reward that differs inside a group and may be negative: share of `e`, less a third."""
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("e") / max(1, len(text)) - 1 / 3 for text in texts]


def slow_letters(**columns: Any) -> list[float]:
    """Return `letters`; once `slow` is in DRA_TEST_FOLDER, tell by `reached`, and a long time after `asked` is there."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    if (folder / "slow").exists():
        (folder / "reached").touch()
        while not (folder / "asked").exists():
            threading.Event().wait(0.2)
        threading.Event().wait(35)  # longer than torch's agent leaves its ranks; nothing waits for it to be over
    return letters(**columns)


def endless_letters(completions: list[Any], trainer_state: Any, **_: Any) -> list[float]:
    """The same reward; the fourth step never comes to an end, which `endless` says, unless `ends` is there."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    if trainer_state.global_step >= 3 and not (folder / "ends").exists():
        (folder / "endless").touch()
        signal.pause()
    return letters(completions)


HELD_OUT_BATCHES = itertools.count()


def letters_that_wait_in_evaluation(completions: list[Any], prompts: list[Any], **_: Any) -> list[float]:
    """The same reward; of the second held-out batch it comes only once somebody `asked`, and says so by `reached`."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    is_held_out = "Held out" in str(prompts[0])
    if is_held_out and next(HELD_OUT_BATCHES) == 1:
        (folder / "reached").touch()
        while not (folder / "asked").exists():
            threading.Event().wait(0.2)
    return letters(completions)


def letters_on_a_full_disk(completions: list[Any], **_: Any) -> list[float]:
    """The same reward; from its first call on the kernel lets this process write no file beyond 1 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    return letters(completions)


def picky(completions: list[Any], **_: Any) -> list[float | None]:
    """Reward that abstains on texts of even length."""
    texts = [completion[0]["content"] for completion in completions]
    return [None if len(text) % 2 == 0 else 1.0 for text in texts]


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
