"""What other settings would have made of a group, a step, a run: the toolkit's replay, in plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dra_app.params import Params
from dra_toolkit.diversity import DiversitySettings, Estimator
from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.replay.compute import ReplayedGroup, piece_of_records, replay_groups
from dra_toolkit.inspection.replay.differences import Differences, Sums
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.replay.settings import Changes
from dra_toolkit.runs import FileFacts, Run

PIECES = 12
"""Calls in which a whole run is replayed, so that its progress can be shown and it can be ended."""
TOP = 8
"""Groups that change most that are named."""


@dataclass(frozen=True, kw_only=True)
class GroupWhatIf:
    """One group under other settings, beside what was recorded."""

    record: GroupRecord
    replayed: ReplayedGroup
    sums: Sums


def group_what_if(run: Run, record: GroupRecord, facts: FileFacts, changes: Changes) -> GroupWhatIf:
    """Recompute one group; its whole generation batch where the settings compare across groups."""
    settings, made = changes.settings(facts, record.mode), changes.estimator(facts)
    records = [record]
    if needs_batch(settings, made):
        records = [r for r in run.groups(step=record.step, mode=record.mode) if r.batch == record.batch]
    replayed = replay_groups(records, settings, made, correct_by=facts.correct_by)
    mine = next(r for r in replayed if r.record.index == record.index)
    differences = Differences(top=0)
    piece = piece_of_records([record], settings)
    differences.add(piece, mine.adjustment.adjusted, mine.advantages, made)
    return GroupWhatIf(record=record, replayed=mine, sums=differences.total())


def needs_batch(settings: DiversitySettings, made: Estimator) -> bool:
    """Return whether the advantages of a group depend on the other groups of its generation batch."""
    return made.scope == "batch" or (settings.adjusts and settings.scope != "group")


def steps_what_if(run: Run, changes: Changes, mode: Mode, steps: tuple[int, int]) -> Differences:
    """Recompute all groups of some steps."""
    return replay_run(run, changes, mode=mode, steps=steps, top=TOP).differences


def next_piece(run: Run, mode: Mode, after: int | None) -> tuple[tuple[int, int], float] | None:
    """Return the steps of a run to replay next, and what share of it is done with them; None at the end."""
    steps = run.steps(mode)
    if not steps:
        raise RunError(f"{run.name}: no {mode} groups are recorded")
    size = -(-len(steps) // PIECES)
    start = 0 if after is None else int(np.searchsorted(steps, after, side="right"))
    if start >= len(steps):
        return None
    end = min(len(steps), start + size)
    return (steps[start], steps[end - 1]), end / len(steps)


def sums_from(params: Params) -> Sums:
    """Return the sums that the page sent back, so that the server keeps nothing; raises RunError for foreign values."""
    given = params.get("sums") or {}
    names = asdict(Sums())
    if not isinstance(given, dict) or not set(given) <= set(names):
        raise RunError("sums: expected the sums of an earlier answer")
    values: dict[str, Any] = {}
    for name, zero in names.items():
        value = given.get(name, zero)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value < 0:
            raise RunError(f"sums: {name}: expected a number from 0")
        values[name] = type(zero)(value)
    return Sums(**values)
