"""Rollouts of a step put together as groups, with only a few steps in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dra_toolkit.groups import Mode
from dra_toolkit.groups import prompt_hash as hash_of
from dra_toolkit.runs.importers.rollout import Rollout

OPEN_STEPS = 3
"""Steps that are kept open, for formats that are written as rollouts arrive."""
MOST_ROLLOUTS = 20_000
"""Rollouts of one step after which it is closed as one generation batch, whatever follows."""


@dataclass(frozen=True, kw_only=True)
class ImportedBatch:
    """The groups of one step, or of a part of it."""

    mode: Mode
    step: int
    batch: int
    groups: list[list[Rollout]]


def batches(rollouts: Iterator[Rollout], *, consecutive: bool) -> Iterator[ImportedBatch]:
    """Yield generation batches, each whole in memory.

    consecutive: completions of one group follow each other, so that a prompt may come twice; otherwise those of a step
    with the same identity, or the same prompt, are one group wherever they stand.
    """
    opened: dict[tuple[Mode, int], list[Rollout]] = {}
    counted: dict[tuple[Mode, int], int] = {}

    def close(key: tuple[Mode, int]) -> ImportedBatch:
        number = counted.get(key, 0)
        counted[key] = number + 1
        return ImportedBatch(mode=key[0], step=key[1], batch=number, groups=_groups(opened.pop(key), consecutive))

    for rollout in rollouts:
        key = (rollout.mode, rollout.step)
        of_step = opened.setdefault(key, [])
        of_step.append(rollout)
        if len(of_step) >= MOST_ROLLOUTS:
            yield close(key)
        elif len(of_step) == 1 and len(of_mode := [other for other in opened if other[0] == rollout.mode]) > OPEN_STEPS:
            yield close(min(of_mode, key=lambda other: other[1]))
    for key in sorted(opened, key=lambda other: (other[1], other[0])):
        yield close(key)


def _groups(rollouts: list[Rollout], consecutive: bool) -> list[list[Rollout]]:
    groups: dict[tuple[str, int], list[Rollout]] = {}
    before, turn = "", 0
    for rollout in rollouts:
        identity = hash_of(rollout.prompt) if rollout.group is None else f"id {rollout.group}"
        if consecutive and identity != before:
            turn += 1
        before = identity
        groups.setdefault((identity, turn), []).append(rollout)
    found = list(groups.values())
    if consecutive and all(rollout.group is None for rollout in rollouts):
        return list(_of_one_size(found))
    return found


def _of_one_size(runs: list[list[Rollout]]) -> Iterator[list[Rollout]]:
    """Yield runs of equal prompts cut into groups: all groups of a batch have one size, and a prompt may come twice."""
    size = math.gcd(*map(len, runs)) if runs else 1
    for run in runs:
        step = size if size > 1 else len(run)
        yield from (run[start : start + step] for start in range(0, len(run), step))
