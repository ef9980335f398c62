"""Replay groups that are in memory already: one group or one step, at once, for a view that asks what if."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import DiversitySettings, Estimator, Scaling, equal_labels
from dra_toolkit.dotted import is_dotted
from dra_toolkit.groups import Adjustment, Array, GroupRecord
from dra_toolkit.inspection.replay.compute import adjustments, flattened
from dra_toolkit.inspection.replay.pieces import Piece
from dra_toolkit.inspection.replay.tables import RECORDED
from dra_toolkit.judge.joining import joined
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer

Values = NDArray[Any]


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
    scale_rewards: Scaling | Estimator = "group",
    *,
    correct_by: str | None = None,
) -> list[ReplayedGroup]:
    """Return groups as they would have been under other settings, in order.

    With `scale_rewards` batch, and with the scope rank_slice, the records given are taken for whole generation batches.
    correct_by: the reward function that tells right from wrong; None counts positive totals as right.
    Raises MeasureError or RunError where the settings need what was not recorded.
    """
    replayed: list[ReplayedGroup] = []
    for _, members in groupby(records, key=lambda record: record.mode):
        of_one_mode = list(members)
        piece = piece_of_records(of_one_mode, settings, correct_by)
        found = adjustments(piece, settings)
        advantages = np.split(flattened(piece, found, settings, scale_rewards)[1], piece.starts[1:-1])
        by_group = {int(g): part for block, whole in found for g, part in zip(block.groups, whole, strict=True)}
        replayed += [
            ReplayedGroup(record=record, adjustment=by_group[g], advantages=advantages[g])
            for g, record in enumerate(of_one_mode)
        ]
    return replayed


def piece_of_records(
    records: Sequence[GroupRecord], settings: DiversitySettings, correct_by: str | None = None
) -> Piece:
    """Return records of one mode as a piece, with what the settings need."""

    def joined(value: Callable[[GroupRecord], Values | None]) -> Values | None:
        found = [values for record in records if (values := value(record)) is not None]
        return np.concatenate(found) if len(found) == len(records) else None

    def all_of(value: Callable[[GroupRecord], Array]) -> Array:
        return np.concatenate([value(record) for record in records])

    known = {
        **{name: joined(attrgetter(name)) for name in RECORDED},
        "correct": joined(lambda record: _correct(record, correct_by)),
        "labels": joined(lambda record: _labels(record, settings)),
    }
    return Piece(
        source=f"step {records[0].step}",
        keys=np.array([[record.step, record.batch, record.index] for record in records]),
        starts=np.cumsum([0, *map(len, (record.group for record in records))]),
        totals=all_of(lambda record: record.adjustment.totals),
        advantages=all_of(lambda record: record.advantages),
        tokens=all_of(lambda record: record.group.token_counts.astype(np.float64)),
        similarity=all_of(lambda record: record.adjustment.similarity[np.triu_indices(len(record.group), 1)]),
        known={name: values for name, values in known.items() if values is not None},
    )


def _correct(record: GroupRecord, correct_by: str | None) -> Values | None:
    values = record.group.rewards.get(correct_by) if correct_by else None
    return None if values is None else np.nan_to_num(values) > CORRECT_ABOVE


def _labels(record: GroupRecord, settings: DiversitySettings) -> Values | None:
    if "labels" not in settings.needs or is_dotted(settings.labels):
        return record.labels
    return equal_labels(joined(map(final_answer, record.group.completions)))
