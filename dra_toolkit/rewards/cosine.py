"""Right or wrong, scaled by length along half a cosine: of right answers short ones are worth most, of wrong ones long.

Source: arXiv 2502.03373, without its penalty for reaching the longest length; the default values are Open-RS's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.scoring import judge_completions
from dra_toolkit.rewards.text import Completion


@declares(tells_correct=True, can_be_negative=True, judges_answers=True)
def build(
    *,
    max_length: int = 3584,
    correct_short: float = 1.0,
    correct_long: float = 0.5,
    wrong_short: float = -0.5,
    wrong_long: float = 0.0,
    boxes_in_thinking: bool = False,
) -> Reward:
    """Return the reward: from `*_short` at no tokens down or up to `*_long` at `max_length` tokens and beyond.

    long + (short - long) (1 + cos(pi min(L, max_length) / max_length)) / 2 with L the tokens of the completion; None if
    the gold answer is unreadable; `boxes_in_thinking` as in `accuracy`. Raises RecipeError unless `max_length` is positive.
    """
    if max_length <= 0:
        raise RecipeError(f"cosine_max_length: found {max_length}, expected a positive number of tokens")

    def cosine(
        *, completions: Sequence[Completion], completion_ids: Sequence[Sequence[int]], **columns: Any
    ) -> list[float | None]:
        verdicts = judge_completions("cosine", completions, columns, boxes_in_thinking=boxes_in_thinking)
        return [value(verdict, len(ids)) for verdict, ids in zip(verdicts, completion_ids, strict=True)]

    def value(verdict: Verdict, length: int) -> float | None:
        if verdict is Verdict.unreadable_gold:
            return None
        right = verdict is Verdict.right
        short, long = (correct_short, correct_long) if right else (wrong_short, wrong_long)
        return long + (short - long) * 0.5 * (1.0 + math.cos(math.pi * min(length / max_length, 1.0)))

    return cosine
