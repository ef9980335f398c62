"""What the rewards that look at correctness share: the gold column, the verdicts, their counts in the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.verdict import Verdict
from dra_toolkit.rewards.text import Completion, completion_texts

GOLD_COLUMN = "solution"
"""The column of the data set that holds the gold answer."""


COUNTED = (Verdict.unreadable_gold, Verdict.no_answer, Verdict.timed_out)
"""The verdicts whose shares are logged."""


_recent: dict[tuple[str, str], Verdict] = {}


def judge_completions(
    reward: str, completions: Sequence[Completion], columns: Mapping[str, Any], *, boxes_in_thinking: bool = False
) -> list[Verdict]:
    """Judge N completions against the gold answers among the keyword arguments TRL passes to a reward function.

    Logs the shares `<reward>/unreadable_gold`, `<reward>/no_answer` and `<reward>/timed_out`, on every call, so that
    their means are right. Raises RecipeError where the data set has no gold column.
    """
    golds = gold_column(reward, columns)
    from dra_toolkit.judge.service import shared_judge

    judged = shared_judge().judge(
        golds=golds, completions=completion_texts(completions), boxes_in_thinking=boxes_in_thinking
    )
    verdicts = [judgement.verdict for judgement in judged]
    _recent.clear()
    _recent.update(zip(zip(map(str, golds), completion_texts(completions), strict=True), verdicts, strict=True))
    return log_shares(reward, verdicts, columns)


def recent_verdicts(golds: Sequence[Any], texts: Sequence[str]) -> list[str | None]:
    """Return what the judge last said in this process of each of N completions, for the record; None where nothing."""
    found = [_recent.get((str(gold), text)) for gold, text in zip(golds, texts, strict=True)]
    return [None if verdict is None else verdict.value for verdict in found]


def judge_as_released(reward: str, completions: Sequence[Completion], columns: Mapping[str, Any]) -> list[Verdict]:
    """Judge as the released code does, in bounded processes; see `released_judge`."""
    golds = gold_column(reward, columns)
    from dra_toolkit.judge.service import shared_judge
    from dra_toolkit.rewards import released_judge

    end = -released_judge.ANSWER_CHARACTERS
    texts = [text[end:] for text in completion_texts(completions)]
    pairs = [("" if gold is None else str(gold)[end:], text) for gold, text in zip(golds, texts, strict=True)]
    found = shared_judge().bounded(released_judge.judge_as_released, [p for p in dict.fromkeys(pairs) if p[0].strip()])
    verdicts = [found[p] or Verdict.timed_out if p[0].strip() else Verdict.unreadable_gold for p in pairs]
    return log_shares(reward, verdicts, columns)


def gold_column(reward: str, columns: Mapping[str, Any]) -> Sequence[Any]:
    """Return the gold answers; raises RecipeError where there are none."""
    if GOLD_COLUMN not in columns:
        raise RecipeError(
            f"dataset: the reward '{reward}' found no column '{GOLD_COLUMN}'; it holds the gold answer of each prompt"
        )
    golds: Sequence[Any] = columns[GOLD_COLUMN]
    return golds


def log_shares(reward: str, verdicts: list[Verdict], columns: Mapping[str, Any]) -> list[Verdict]:
    """Log the shares of the verdicts that say that something was not judged; return the verdicts."""
    log_metric = columns.get("log_metric")
    if log_metric is not None and verdicts:
        for verdict in COUNTED:
            log_metric(f"{reward}/{verdict.value}", verdicts.count(verdict) / len(verdicts))
    return verdicts
