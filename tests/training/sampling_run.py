"""Train with dynamic sampling, in as many processes as this is started in; a quarter of the prompts have equal rewards.

torchrun --nproc_per_node 2 sampling_run.py POLICY OUT COMPLETIONS_PER_PROCESS
"""

from __future__ import annotations

import re
import sys
from typing import Any

import tiny

from dra_toolkit.training.trainer import DRATrainer


def spread_by_prompt(prompts: list[Any], completions: list[Any], **_: Any) -> list[float]:
    """The letters of a completion, but the same for all of a prompt below 16."""
    numbers = [int(re.search(r"\d+", prompt[-1]["content"])[0]) for prompt in prompts]  # type: ignore[index]
    lengths = [len(completion[0]["content"]) for completion in completions]
    return [1.0 if number < 16 else length for number, length in zip(numbers, lengths, strict=True)]


def main(policy: str, out: str, per_process: int) -> None:
    """Train six steps of 12 completions in groups of 4."""
    DRATrainer(
        policy,
        spread_by_prompt,
        tiny.grpo_config(out, per_device_train_batch_size=per_process, max_steps=6),
        tiny.prompts(),
        embedder="hash",
        dynamic_sampling_rounds=4,
    ).train()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
