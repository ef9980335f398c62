"""Partial credit for the tags of `<think> ... </think> <answer> ... </answer>`.

Source: `tag_count_reward` of open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py), with the same line
breaks around the tags. Where the chat template puts the opening tag into the prompt, a completion gets at most 0.75.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.text import Completion, completion_texts

TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")


@declares()
def build() -> Reward:
    """Return the reward: 0.25 for each of the four tags that stands in the completion exactly once."""

    def tag_count(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [0.25 * sum(text.count(tag) == 1 for tag in TAGS) for text in completion_texts(completions)]

    return tag_count
