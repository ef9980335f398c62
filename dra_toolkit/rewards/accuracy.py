"""Right or wrong.

Source: `accuracy_reward` of open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py), but with gold answer and
answer in their places, bare gold answers understood, and no reward for what cannot be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.judge import Verdict
from dra_toolkit.rewards.scoring import judge_completions
from dra_toolkit.rewards.text import Completion


@declares(tells_correct=True)
def build() -> Reward:
    """Return the reward: 1.0 for a right answer, 0.0 for a wrong or missing one, None if the gold is unparsable."""

    def accuracy(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = judge_completions("accuracy", completions, columns)
        return [None if v is Verdict.unparsable_gold else float(v is Verdict.correct) for v in verdicts]

    return accuracy
