"""Adjusted totals and advantages of recorded groups under given settings: the trainer's own functions, on many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import (
    DiversitySettings,
    Estimator,
    Scaling,
    adjust_signals,
    adjusted_advantages,
    equal_labels,
    estimator_of,
    padded_adjustment,
)
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array, GroupRecord
from dra_toolkit.inspection.replay.pieces import Block, Piece
from dra_toolkit.inspection.replay.tables import RECORDED
from dra_toolkit.judge.judging import joined
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer

MISSING = "embedder=hash, or the run's own, embeds the texts anew"

Found = list[tuple[Block, Adjustment]]
"""Groups of a piece, and what was made of them; together, all groups."""


def advantages_of(piece: Piece, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return the adjusted totals and the advantages, (N,) each, of a piece under other settings."""
    if settings.adjusts:
        return flattened(piece, adjustments(piece, settings), settings, how)
    ones = np.ones((1, 1))  # nobody looks at what is not used, and it would cost most of the time
    unused = {"similarity": ones, "redundancy": ones}
    totals = [block.of(piece.totals) for block in piece.blocks]
    plain = [Adjustment(totals=each, adjusted=each, weights=np.ones_like(each), **unused) for each in totals]
    return flattened(piece, list(zip(piece.blocks, plain, strict=True)), settings, how)


def adjustments(piece: Piece, settings: DiversitySettings) -> Found:
    """Return what the settings make of all groups of a piece; raises RunError for what they need and was not recorded."""
    blocks = piece.blocks
    if settings.adjusts and settings.scope != "group":
        if "embeddings" not in piece.known:
            raise RunError(
                f"{piece.source}: diversity_scope rank_slice compares completions across groups, which the recorded "
                f"similarity does not hold; {MISSING}"
            )
        blocks = list(piece.batch_blocks(settings.slice_rows or 1))
    needs_similarity = "similarity" in settings.needs and not piece.embedded_anew
    if needs_similarity and np.isnan(piece.similarity).any():
        raise RunError(f"{piece.source}: the similarity was not recorded; {MISSING}")
    return [(block, adjust_signals(piece.signals(block), settings, piece.steps(block))) for block in blocks]


def flattened(piece: Piece, found: Found, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return adjusted totals and advantages, (N,) each, in the order of the piece."""
    of_batch, advantages = estimator_of(how).scope == "batch", np.empty_like(piece.totals)
    flat = {name: np.zeros_like(piece.totals) for name in ("adjusted", "weights", "bonus")}
    for block, adjustment in found:
        for name, values in flat.items():
            if (of_block := getattr(adjustment, name)) is not None:
                block.put(of_block, values)
        if not of_batch:
            block.put(adjusted_advantages(adjustment, how, settings), advantages)
    adjusted = flat["adjusted"]
    if all(adjustment.bonus is None for _, adjustment in found):
        del flat["bonus"]
    for first, end in pairwise(piece.batches.tolist()) if of_batch else ():
        rows = slice(int(piece.starts[first]), int(piece.starts[end]))
        numbers = {name: values[rows] for name, values in {**flat, "totals": piece.totals}.items()}
        whole, is_there = padded_adjustment(numbers, piece.sizes[first:end])
        advantages[rows] = adjusted_advantages(whole, how, settings)[is_there]
    return adjusted, advantages


Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayedGroup:
    """One group under other settings: weights and totals, and advantages, (G,), as they would have been."""

    record: GroupRecord
    adjustment: Adjustment
    advantages: Array


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
        "correct": joined(lambda record: record.group.rewards.get(correct_by or "")),
        "labels": joined(lambda record: _labels(record, settings)),
    }
    if known["correct"] is not None:
        known["correct"] = np.nan_to_num(known["correct"]) > CORRECT_ABOVE
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


def _labels(record: GroupRecord, settings: DiversitySettings) -> Values | None:
    if "labels" not in settings.needs or is_dotted(settings.labels):
        return record.labels
    return equal_labels(joined(map(final_answer, record.group.texts)))
