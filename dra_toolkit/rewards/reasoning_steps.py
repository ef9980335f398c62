"""Credit for visible steps: `Step 1:`, numbered and bulleted lines, `First,`, `Second,`, `Next,`, `Finally,`.

Source: `reasoning_steps_reward` of open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py), except that
numbered lines count everywhere, not only at the very start.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.text import Completion, completion_texts

_STEP = re.compile(r"\bStep \d+:|^\d+\.\s|^[-*]\s|\b(?:First|Second|Next|Finally),", re.MULTILINE)


@declares()
def build(*, steps: int = 3) -> Reward:
    """Return the reward: the share of `steps` that the completion shows, at most 1.0.

    Raises RecipeError unless `steps` is positive.
    """
    if steps <= 0:
        raise RecipeError(f"reasoning_steps_steps: found {steps}, expected a positive number of steps")

    def reasoning_steps(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [min(1.0, len(_STEP.findall(text)) / steps) for text in completion_texts(completions)]

    return reasoning_steps
