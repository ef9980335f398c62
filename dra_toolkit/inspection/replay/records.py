"""Replay groups that are in memory already: one group or one step, at once, for a view that asks what if."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import (
    DiversitySettings,
    Scaling,
    adjust,
    adjust_similarity,
    adjusted_advantages,
    equal_labels,
    is_dotted,
)
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array, GroupRecord
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs.group_measures import CORRECT_ABOVE


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayedGroup:
    """One group under other settings."""

    record: GroupRecord
    adjustment: Adjustment
    """Redundancy, weights and totals as they would have been."""
    advantages: Array
    """(G,) as they would have been."""


def replay_groups(
    records: Sequence[GroupRecord],
    settings: DiversitySettings,
    scale_rewards: Scaling = "group",
    *,
    correct_by: str | None = None,
) -> list[ReplayedGroup]:
    """Return groups as they would have been under other settings, in order.

    With `scale_rewards` batch, and with the scope rank_slice, the records given are taken for whole generation batches.
    correct_by: the reward function that tells right from wrong; None counts positive totals as right.
    Raises MeasureError or RunError where the settings need what was not recorded.
    """
    replayed: list[ReplayedGroup] = []
    for _, members in groupby(records, key=lambda record: (record.mode, record.step, record.batch)):
        batch = list(members)
        if settings.adjusts and settings.scope != "group":
            adjustments = _slices(batch, settings, correct_by)
        else:
            adjustments = [_group(record, settings, correct_by) for record in batch]
        advantages = _advantages(adjustments, scale_rewards, settings)
        replayed += [
            ReplayedGroup(record=record, adjustment=adjustment, advantages=values)
            for record, adjustment, values in zip(batch, adjustments, advantages, strict=True)
        ]
    return replayed


def _group(record: GroupRecord, settings: DiversitySettings, correct_by: str | None) -> Adjustment:
    similarity = record.adjustment.similarity
    if "similarity" in settings.needs and np.isnan(similarity).any():
        raise RunError(
            f"step {record.step}, group {record.index}: the similarity was not recorded; embed the texts anew first"
        )
    return adjust_similarity(
        similarity=similarity,
        totals=record.adjustment.totals,
        settings=settings,
        step=record.step,
        correct=_correct(record, correct_by),
        labels=_labels(record, settings),
        log_probs=record.log_probs,
        lengths=record.group.token_counts.astype(np.float64),
        embeddings=record.embeddings,
    )


def _slices(batch: Sequence[GroupRecord], settings: DiversitySettings, correct_by: str | None) -> list[Adjustment]:
    rows, sizes = settings.slice_rows or 0, {len(record.group) for record in batch}
    embeddings = [record.embeddings for record in batch if record.embeddings is not None]
    if len(embeddings) != len(batch):
        raise RunError(
            f"step {batch[0].step}: the scope rank_slice compares completions across groups and needs their embeddings"
        )
    if len(sizes) != 1 or (len(batch) * max(sizes)) % rows:
        raise RunError(f"step {batch[0].step}: {len(batch)} groups of these sizes cannot be cut into slices of {rows}")
    correct = [_correct(record, correct_by) for record in batch]
    return list(
        adjust(
            embeddings=np.stack(embeddings),
            totals=np.stack([record.adjustment.totals for record in batch]),
            settings=settings,
            step=np.array([record.step for record in batch]),
            correct=None if any(each is None for each in correct) else np.stack(correct),  # type: ignore[arg-type]
        )
    )


def _correct(record: GroupRecord, correct_by: str | None) -> NDArray[np.bool_] | None:
    values = record.group.rewards.get(correct_by) if correct_by else None
    return None if values is None else np.nan_to_num(values) > CORRECT_ABOVE


def _labels(record: GroupRecord, settings: DiversitySettings) -> NDArray[np.integer[Any]] | None:
    if "labels" not in settings.needs or is_dotted(settings.labels):
        return record.labels
    return equal_labels(map(final_answer, record.group.completions))


def _advantages(adjustments: Sequence[Adjustment], scale_rewards: Scaling, settings: DiversitySettings) -> list[Array]:
    """Return the advantages of the groups of one batch, filled up to one size with missing totals, which do not count."""
    sizes = [len(adjustment.totals) for adjustment in adjustments]

    def padded(values: Sequence[Array]) -> Array:
        filled = np.full((len(sizes), max(sizes)), np.nan)
        for row, found in zip(filled, values, strict=True):
            row[: len(found)] = found
        return filled

    bonus = [a.bonus if a.bonus is not None else np.zeros_like(a.totals) for a in adjustments]
    weights = padded([adjustment.weights for adjustment in adjustments])
    whole = Adjustment(
        similarity=weights,
        redundancy=weights,
        weights=weights,
        totals=padded([adjustment.totals for adjustment in adjustments]),
        adjusted=padded([adjustment.adjusted for adjustment in adjustments]),
        bonus=padded(bonus) if any(a.bonus is not None for a in adjustments) else None,
    )
    found = adjusted_advantages(whole, scale_rewards, settings)
    return [row[:size] for row, size in zip(found, sizes, strict=True)]
