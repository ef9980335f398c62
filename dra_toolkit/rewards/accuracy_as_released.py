"""Right or wrong, as the released Open-RS and DRA-GRPO code has it, for measuring what its defects change.

The gold answer is parsed as it stands; one that cannot be parsed gives every completion 1.0; gold answer and answer
change places in the comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.scoring import judge_as_released
from dra_toolkit.rewards.text import Completion


@declares(tells_correct=True)
def build() -> Reward:
    """Return the reward: 1.0 for a right answer or an unreadable gold, else 0.0."""

    def accuracy_as_released(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = judge_as_released("accuracy_as_released", completions, columns)
        return [float(v in (Verdict.right, Verdict.unreadable_gold)) for v in verdicts]

    return accuracy_as_released
