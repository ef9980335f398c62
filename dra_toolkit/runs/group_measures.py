"""One group in numbers: computed once, when it is recorded, so that a run can be searched without reading its texts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import distinct_ratio, mean_similarity, reward_spread, vendi_score, zero_spread
from dra_toolkit.groups import Array, GroupRecord
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer


def _measure(meaning: str) -> Any:
    return field(metadata={"meaning": meaning})


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupMeasures:
    """The measures of one group; None where something was not measured."""

    size: int = _measure("completions in the group")
    reward: float | None = _measure("mean raw total")
    reward_spread: float | None = _measure("sample standard deviation of the raw totals")
    adjusted: float | None = _measure("mean adjusted total")
    similarity: float | None = _measure("mean similarity of two completions")
    max_similarity: float | None = _measure("similarity of the two most similar completions")
    vendi_score: float | None = _measure("effective number of different completions")
    redundancy: float | None = _measure("mean redundancy")
    weight: float | None = _measure("mean factor on the total")
    min_weight: float | None = _measure("smallest factor on a total")
    distinct_ratio: float = _measure("share of different texts")
    distinct_answers: int = _measure("different final answers, 0 where none has one")
    correct_share: float | None = _measure("share of completions counted as correct, see `correct_by`")
    zero_spread: bool = _measure("whether all raw totals are equal")
    flips: int = _measure("completions whose advantage has the other sign than without the adjustment")
    tokens: float = _measure("mean tokens of a completion")
    cut_share: float = _measure("share of completions cut at the longest length allowed")
    abs_advantage_plain: float | None = _measure("mean absolute advantage without the adjustment")
    abs_advantage: float | None = _measure("mean absolute advantage as trained")


MEANINGS = {measure.name: str(measure.metadata["meaning"]) for measure in fields(GroupMeasures)}
"""Name of each measure -> what it means."""
ARROW_TYPES = {
    measure.name: {"int": "int32", "bool": "bool"}.get(str(measure.type), "float64")
    for measure in fields(GroupMeasures)
}
"""Name of each measure -> the Arrow type that it is stored as."""


def measure_group(record: GroupRecord, correct_by: str | None) -> GroupMeasures:
    """Return the measures of a recorded group. correct_by: the reward function that tells right from wrong."""
    group, adjustment = record.group, record.adjustment
    measured = is_measured(record)
    return GroupMeasures(
        size=len(group),
        reward=_mean(adjustment.totals),
        reward_spread=_known(reward_spread(adjustment.totals)),
        adjusted=_mean(adjustment.adjusted),
        similarity=_known(mean_similarity(adjustment.similarity)),
        max_similarity=_known(_largest(adjustment.similarity)),
        vendi_score=float(vendi_score(adjustment.similarity)) if measured else None,
        redundancy=_mean(adjustment.redundancy),
        weight=_mean(adjustment.weights),
        min_weight=_known(np.min(adjustment.weights)),
        distinct_ratio=distinct_ratio(group.completions),
        distinct_answers=len({a for a in map(final_answer, group.completions) if a is not None}),
        correct_share=_correct_share(group.rewards.get(correct_by)) if correct_by else None,
        zero_spread=bool(zero_spread(adjustment.totals)),
        flips=int(flipped(record).sum()),
        tokens=float(np.mean(group.token_counts)),
        cut_share=sum(reason == "length" for reason in group.finish_reasons) / len(group),
        abs_advantage_plain=_mean(np.abs(record.plain_advantages)),
        abs_advantage=_mean(np.abs(record.advantages)),
    )


def flipped(record: GroupRecord) -> NDArray[np.bool_]:
    """Return which completions, (G,) of bool, the adjustment pushes the other way than the raw rewards would."""
    return record.advantages * record.plain_advantages < 0


def is_measured(record: GroupRecord) -> bool:
    """Return whether the similarity of the group was measured; it is not with `embedder: none`."""
    return bool(np.isfinite(record.adjustment.similarity).all())


def _largest(similarity: Array) -> float:
    G = len(similarity)
    above = similarity[np.triu_indices(G, 1)]
    return float(above.max()) if above.size else float("nan")


def _correct_share(values: Array | None) -> float | None:
    return None if values is None else _mean(np.where(np.isnan(values), np.nan, values > CORRECT_ABOVE))


def _mean(values: Any) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing known: NaN, which is None
        return _known(np.nanmean(values))


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
