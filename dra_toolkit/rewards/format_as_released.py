r"""The format reward as the released Open-RS and DRA-GRPO code has it: it counts one `</think>` on a line of its own.

Neither what comes before or after it nor the answer tags that the system prompt asks for are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.text import Completion, completion_texts


@declares()
def build() -> Reward:
    r"""Return the reward: 1.0 if `\n</think>\n` stands in the completion exactly once, else 0.0."""

    def format_as_released(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [float(text.count("\n</think>\n") == 1) for text in completion_texts(completions)]

    return format_as_released
