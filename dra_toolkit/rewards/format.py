"""Reasoning first, then an answer: the format of the DeepSeek-R1 family.

Source: the format rewards of arXiv 2501.12948 and open-r1, for models whose chat template puts the opening tag into the
prompt and that give their answer without tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.text import Completion, completion_texts

OPENING, CLOSING = "<think>", "</think>"


@declares()
def build() -> Reward:
    """Return the reward: 1.0 for a completion in the format of `well_formed`, else 0.0."""

    def format(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [float(well_formed(text)) for text in completion_texts(completions)]

    return format


def well_formed(text: str) -> bool:
    """Tell whether a text is reasoning, `</think>` and an answer.

    `</think>` stands in it exactly once, with something other than white space before and after it. `<think>` does not
    stand in it, or once as its very first characters. White space and line breaks around the tags are free.
    """
    reasoning, closing, answer = text.removeprefix(OPENING).partition(CLOSING)
    tags_left = OPENING in reasoning or OPENING in answer or CLOSING in answer
    return bool(closing and reasoning.strip() and answer.strip()) and not tags_left
