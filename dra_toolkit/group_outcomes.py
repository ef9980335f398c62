"""What came of a recorded group: which completions are correct, which the adjustment turned round, what they answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.groups import Array, GroupRecord, mean_of_known
from dra_toolkit.judge.judging import joined
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer

VERDICTS = {"right": 1.0, "wrong": 0.0, "no_answer": 0.0, "timed_out": 0.0}
"""Verdict of a judge -> whether it counts as correct; any other leaves it open."""


def flipped(record: GroupRecord) -> NDArray[np.bool_]:
    """Return which completions, (G,) of bool, the adjustment pushes the other way than the raw rewards would."""
    return record.advantages * record.plain_advantages < 0


def is_measured(record: GroupRecord) -> bool:
    """Return whether the similarity of the group was measured; it is not with `embedder: none`."""
    return bool(np.isfinite(record.adjustment.similarity).all())


def answers_of(record: GroupRecord) -> list[str]:
    """Return the final answers that could be read, those that the judge calls the same as one text."""
    return [answer for answer in joined(map(final_answer, record.group.completions)) if answer is not None]


def correct_share(record: GroupRecord, correct_by: str | None) -> float | None:
    """Return the share of completions that are correct, of those of which it is known; None where nothing says it."""
    correct = correct_of(record, correct_by)
    return None if correct is None else mean_of_known(correct)


def correct_of(record: GroupRecord, correct_by: str | None) -> Array | None:
    """Return which completions are correct, (G,): 1 or 0, NaN where nobody could say; None where nothing says it.

    The verdicts of a judge where there are any, else the reward function that tells right from wrong.
    """
    if record.group.verdicts is not None:
        return np.array([VERDICTS.get(verdict or "", np.nan) for verdict in record.group.verdicts])
    values = record.group.rewards.get(correct_by) if correct_by else None
    return None if values is None else above(values, CORRECT_ABOVE)


def above(values: Array, least: float) -> Array:
    """Return which values, (G,), are above `least`: 1 or 0, NaN where the value is."""
    return np.where(np.isnan(values), np.nan, values > least)
