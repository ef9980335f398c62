"""Right or wrong.

Source: `accuracy_reward` of open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py), but judged by
`dra_toolkit.judge`, and with no reward for what cannot be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.scoring import judge_completions
from dra_toolkit.rewards.text import Completion


@declares(tells_correct=True, judges_answers=True)
def build(*, boxes_in_thinking: bool = False) -> Reward:
    r"""Return the reward: 1.0 for a right answer, 0.0 for a wrong or missing one, None if the gold is unreadable.

    boxes_in_thinking: let the last box of the thinking count where nothing after it states an answer, as open-r1 does.
    """

    def accuracy(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = judge_completions("accuracy", completions, columns, boxes_in_thinking=boxes_in_thinking)
        return [None if v is Verdict.unreadable_gold else float(v is Verdict.right) for v in verdicts]

    return accuracy
