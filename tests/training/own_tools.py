"""What recipes of the tests name by dotted path: tools, environments, a rollout function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny
import trl


def multiply(a: int, b: int) -> int:
    """
    Multiply two numbers.

    Args:
        a: The first factor.
        b: The second factor.
    """
    return a * b


class Counter:
    """An environment that owns its reward: how often it was asked."""

    def reset(self, **row: Any) -> None:
        """Begin anew."""
        self.count = 0

    def increment(self, step: int) -> int:
        """
        Increment the counter.

        Args:
            step: By how much.
        """
        self.count += step
        return self.count

    def get_reward(self) -> float:
        """Return the count."""
        return float(self.count)


rollout = tiny.fixed_rollouts()


def save_tool_policy(folder: Path) -> Path:
    """Save the tiny policy with a chat template that knows tools, TRL's copy of Qwen's."""
    from transformers import AutoTokenizer

    tiny.save_policy(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates/qwen3.jinja").read_text()
    tokenizer.save_pretrained(folder)
    return folder


def save_reward_model(folder: Path) -> Path:
    """Save a tiny model that gives one number for a text."""
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    from dra_toolkit.quickstart.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
