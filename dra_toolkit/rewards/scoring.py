"""What the rewards that look at correctness share: the gold column, the verdicts, their counts in the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.judge import Verdict
from dra_toolkit.rewards.text import Completion, completion_texts

GOLD_COLUMN = "solution"
"""The column of the data set that holds the gold answer."""


def judge_completions(
    reward: str, completions: Sequence[Completion], columns: Mapping[str, Any], *, as_released: bool = False
) -> list[Verdict]:
    """Judge N completions against the gold answers among the keyword arguments TRL passes to a reward function.

    Logs the shares `<reward>/unparsable_gold` and `<reward>/timed_out`, on every call, so that their means are right.
    Raises RecipeError where the data set has no gold column.
    """
    if GOLD_COLUMN not in columns:
        raise RecipeError(
            f"dataset: the reward '{reward}' found no column '{GOLD_COLUMN}'; it holds the gold answer of each prompt"
        )
    from dra_toolkit.rewards.verifier import shared_verifier

    verifier = shared_verifier()
    verify = verifier.verify_as_released if as_released else verifier.verify
    verdicts = verify(gold=columns[GOLD_COLUMN], answers=completion_texts(completions))
    log_metric = columns.get("log_metric")
    if log_metric is not None and verdicts:
        for verdict in (Verdict.unparsable_gold, Verdict.timed_out):
            log_metric(f"{reward}/{verdict.value}", verdicts.count(verdict) / len(verdicts))
    return verdicts
