"""Shorter than the other completions of the same prompt is better, and no wrong answer gains by it.

Source: Kimi k1.5, arXiv 2501.12599, section 2.3.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.scoring import judge_completions
from dra_toolkit.rewards.text import Completion


@declares(can_be_negative=True, judges_answers=True)
def build(*, boxes_in_thinking: bool = False) -> Reward:
    """Return the reward: 0.5 for the shortest completion of a prompt to -0.5 for the longest; wrong ones at most 0.

    l = 0.5 - (L - shortest) / (longest - shortest) with L in tokens; l if right, min(0, l) if wrong, 0 where all
    lengths are equal, None if the gold answer is unreadable; `boxes_in_thinking` as in `accuracy`. Completions are
    compared with those of an equal prompt in the same call, that is, with the part of their group that this training
    process holds.
    """

    def length(
        *,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        **columns: Any,
    ) -> list[float | None]:
        verdicts = judge_completions("length", completions, columns, boxes_in_thinking=boxes_in_thinking)
        lengths = [len(ids) for ids in completion_ids]
        of_prompt: defaultdict[str, list[int]] = defaultdict(list)
        for prompt, tokens in zip(prompts, lengths, strict=True):
            of_prompt[repr(prompt)].append(tokens)
        return [
            value(verdict, tokens, of_prompt[repr(prompt)])
            for verdict, tokens, prompt in zip(verdicts, lengths, prompts, strict=True)
        ]

    return length


def value(verdict: Verdict, tokens: int, lengths: Sequence[int]) -> float | None:
    """Return the reward of one completion of `tokens` tokens among all `lengths` of its prompt."""
    if verdict is Verdict.unreadable_gold:
        return None
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return 0.0
    score = 0.5 - (tokens - shortest) / (longest - shortest)
    return score if verdict is Verdict.right else min(0.0, score)
