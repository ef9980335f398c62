"""The cosine length reward as the released Open-RS and DRA-GRPO code has it, for measuring what its defects change.

Length is in characters against 1,000, not clamped, so that the value oscillates: right answers are worth 1.0 at 2,000
characters, 0.5 at 3,000 and 1.0 again at 4,000. The two values for wrong answers change places, once in the code and
once in its recipes' values, so that short wrong answers are worth most. Judged as in `accuracy_as_released`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.scoring import judge_as_released
from dra_toolkit.rewards.text import Completion, completion_texts


@declares(tells_correct=True, can_be_negative=True)
def build(*, max_len: int = 1000) -> Reward:
    """Return the reward, with the values of the released recipes.

    low + (high - low) (1 + cos(pi L / max_len)) / 2 with L the characters of the completion; low and high are 0.5 and 1.0
    for right answers, -0.5 and 0.0 for wrong ones; 1.0 if the gold answer is unreadable.
    Raises RecipeError unless `max_len` is positive.
    """
    if max_len <= 0:
        raise RecipeError(f"cosine_as_released_max_len: found {max_len}, expected a positive number of characters")

    def cosine_as_released(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = judge_as_released("cosine_as_released", completions, columns)
        texts = completion_texts(completions)
        return [value(verdict, len(text)) for verdict, text in zip(verdicts, texts, strict=True)]

    def value(verdict: Verdict, length: int) -> float:
        if verdict is Verdict.unreadable_gold:
            return 1.0
        low, high = (0.5, 1.0) if verdict is Verdict.right else (-0.5, 0.0)
        return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * length / max_len))

    return cosine_as_released
