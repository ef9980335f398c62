"""Rewards that ask the judge: right or wrong, and right or wrong by length. None where the gold answer is unreadable.

`accuracy`: `accuracy_reward` of open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py), but judged by
`dra_toolkit.judge`. `cosine`: arXiv 2502.03373, without its penalty for reaching the longest length; the default values
are Open-RS's. `length`: Kimi k1.5, arXiv 2501.12599, section 2.3.3.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge import Verdict
from dra_toolkit.rewards.correctness import Reward, declares
from dra_toolkit.rewards.text import Completion, completion_text

Ids = Sequence[Sequence[int]]
GOLD_COLUMN = "solution"
"""The column of the data set that holds the gold answer."""
COUNTED = (Verdict.unreadable_gold, Verdict.no_answer, Verdict.timed_out)
"""The verdicts whose shares are logged."""
_recent: dict[tuple[str, str], Verdict] = {}


@declares(tells_correct=True, judges_answers=True)
def accuracy(*, boxes_in_thinking: bool = False) -> Reward:
    r"""Return the reward: 1.0 for a right answer, 0.0 for a wrong or missing one, None if the gold is unreadable.

    boxes_in_thinking: let the last box of the thinking count where nothing after it states an answer, as open-r1 does.
    """

    def reward(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = judge_completions("accuracy", completions, columns, boxes_in_thinking=boxes_in_thinking)
        return [None if v is Verdict.unreadable_gold else float(v is Verdict.right) for v in verdicts]

    return reward


@declares(tells_correct=True, can_be_negative=True, judges_answers=True)
def cosine(
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

    def reward(*, completions: Sequence[Completion], completion_ids: Ids, **columns: Any) -> list[float | None]:
        verdicts = judge_completions("cosine", completions, columns, boxes_in_thinking=boxes_in_thinking)
        return [value(verdict, len(ids)) for verdict, ids in zip(verdicts, completion_ids, strict=True)]

    def value(verdict: Verdict, length: int) -> float | None:
        if verdict is Verdict.unreadable_gold:
            return None
        short, long = (correct_short, correct_long) if verdict is Verdict.right else (wrong_short, wrong_long)
        return long + (short - long) * 0.5 * (1.0 + math.cos(math.pi * min(length / max_length, 1.0)))

    return reward


@declares(can_be_negative=True, judges_answers=True)
def length(*, boxes_in_thinking: bool = False) -> Reward:
    """Return the reward: 0.5 for the shortest completion of a prompt to -0.5 for the longest; wrong ones at most 0.

    l = 0.5 - (L - shortest) / (longest - shortest) with L in tokens; l if right, min(0, l) if wrong, 0 where all
    lengths are equal, None if the gold answer is unreadable; `boxes_in_thinking` as in `accuracy`. Completions are
    compared with those of an equal prompt in the same call, that is, with the part of their group that this training
    process holds.
    """

    def reward(
        *, prompts: Sequence[Any], completions: Sequence[Completion], completion_ids: Ids, **columns: Any
    ) -> list[float | None]:
        verdicts = judge_completions("length", completions, columns, boxes_in_thinking=boxes_in_thinking)
        of_prompt = defaultdict[str, list[int]](list)
        lengths, keys = list(map(len, completion_ids)), list(map(repr, prompts))
        for key, tokens in zip(keys, lengths, strict=True):
            of_prompt[key].append(tokens)
        return [length_value(v, n, of_prompt[key]) for v, n, key in zip(verdicts, lengths, keys, strict=True)]

    return reward


def length_value(verdict: Verdict, tokens: int, lengths: Sequence[int]) -> float | None:
    """Return the length reward of one completion of `tokens` tokens among all `lengths` of its prompt."""
    if verdict is Verdict.unreadable_gold:
        return None
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return 0.0
    score = 0.5 - (tokens - shortest) / (longest - shortest)
    return score if verdict is Verdict.right else min(0.0, score)


def judge_completions(
    reward: str, completions: Sequence[Completion], columns: Mapping[str, Any], *, boxes_in_thinking: bool = False
) -> list[Verdict]:
    """Judge N completions against the gold answers among the keyword arguments TRL passes to a reward function.

    Logs the shares `<reward>/unreadable_gold`, `<reward>/no_answer` and `<reward>/timed_out`, on every call, so that
    their means are right. Raises RecipeError where the data set has no gold column.
    """
    golds, texts = gold_column(reward, columns), list(map(completion_text, completions))
    from dra_toolkit.judge.service import shared_judge

    judged = shared_judge().judge(golds=golds, completions=texts, boxes_in_thinking=boxes_in_thinking)
    verdicts = [judgement.verdict for judgement in judged]
    _recent.clear()
    _recent.update(zip(zip(map(str, golds), texts, strict=True), verdicts, strict=True))
    return log_shares(reward, verdicts, columns)


def recent_verdicts(golds: Sequence[Any], texts: Sequence[str]) -> list[str | None]:
    """Return what the judge last said in this process of each of N completions, for the record; None where nothing."""
    return [getattr(_recent.get((str(gold), text)), "value", None) for gold, text in zip(golds, texts, strict=True)]


def gold_column(reward: str, columns: Mapping[str, Any]) -> Sequence[Any]:
    """Return the gold answers; raises RecipeError where there are none."""
    if GOLD_COLUMN not in columns:
        raise RecipeError(
            f"dataset: the reward '{reward}' found no column '{GOLD_COLUMN}'; it holds the gold answer of each prompt"
        )
    return list(columns[GOLD_COLUMN])


def log_shares(reward: str, verdicts: list[Verdict], columns: Mapping[str, Any]) -> list[Verdict]:
    """Log the shares of the verdicts that say that something was not judged; return the verdicts."""
    if (log_metric := columns.get("log_metric")) is not None and verdicts:
        for verdict in COUNTED:
            log_metric(f"{reward}/{verdict.value}", verdicts.count(verdict) / len(verdicts))
    return verdicts
