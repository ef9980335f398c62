"""Rollouts of a step put together as groups, with only a few steps in memory, and these as records.

Similarity is measured here; advantages are as they were written, or computed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dra_toolkit.diversity import (
    DiversitySettings,
    Estimator,
    adjust,
    adjust_similarity,
    fitting_estimator,
    group_advantages,
    total_rewards,
)
from dra_toolkit.embedding import Embedder
from dra_toolkit.groups import Array, CompletionGroup, GroupRecord, Mode
from dra_toolkit.groups import prompt_hash as hash_of
from dra_toolkit.runs.importers.rollout import Rollout

PLAIN = DiversitySettings(measure="none")
"""Other trainers adjust nothing: the redundancy is measured, every weight is 1."""
AGREES = (1e-6, 1e-5, 1e-4, 1e-3)
"""How far written advantages may be from computed ones, as a share of the largest: some dumps are rounded."""
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
        return ImportedBatch(mode=key[0], step=key[1], batch=number, groups=_grouped(opened.pop(key), consecutive))

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


def _grouped(rollouts: list[Rollout], consecutive: bool) -> list[list[Rollout]]:
    groups: defaultdict[tuple[object, int], list[Rollout]] = defaultdict(list)
    before: object = None
    turn, hashes = 0, dict[int, str]()  # by object: neighbours share their prompt
    for rollout in rollouts:
        identity: object = (rollout.group,)
        if rollout.group is None:
            identity = hashes.get(id(rollout.prompt)) or hashes.setdefault(id(rollout.prompt), hash_of(rollout.prompt))
        if consecutive and identity != before:
            turn += 1
        before = identity
        groups[identity, turn].append(rollout)
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


@dataclass(kw_only=True)
class Estimates:
    """What was not in the source, counted in completions."""

    tokens: int = 0
    finish_reasons: int = 0
    advantages: int = 0
    advantages_known: int = 0
    by_mode: dict[str, int] = field(default_factory=dict)


def as_records(
    batch: ImportedBatch,
    reward_weights: Mapping[str, float],
    made: Estimator,
    embedder: Embedder | None,
    estimates: Estimates,
) -> list[GroupRecord]:
    """Return the groups of a batch as records."""
    totals = _totals(batch, reward_weights)
    advantages = group_advantages(padded(totals), made)  # a missing total neither counts nor has an advantage
    plain = [row[: len(values)] for row, values in zip(advantages, totals, strict=True)]
    texts = [rollout.text for group in batch.groups for rollout in group]
    vectors = None if embedder is None else embedder.embed(texts).vectors
    records, start = [], 0
    for index, group in enumerate(batch.groups):
        embedded = None if vectors is None else vectors[start : start + len(group)]
        start += len(group)
        known: dict[str, Any] = {"totals": totals[index], "settings": PLAIN}
        if embedded is None:
            adjustment = adjust_similarity(similarity=np.full((len(group), len(group)), np.nan), **known)
        else:
            adjustment = adjust(embeddings=embedded, **known)
        records.append(
            GroupRecord(
                mode=batch.mode,
                step=batch.step,
                batch=batch.batch,
                index=index,
                attempt=1,
                group=_group(group, reward_weights, estimates),
                adjustment=adjustment,
                plain_advantages=plain[index],
                advantages=_advantages(group, plain[index], estimates),
                discard_reason=next((r.discard_reason for r in group if r.discard_reason), None),
            )
        )
    return records


def best_estimator(
    batch: ImportedBatch, reward_weights: Mapping[str, float], engine: str
) -> tuple[str, Estimator] | None:
    """Return name and estimator that give the advantages that were written, the exactest first; None if there are none.

    engine: whose is preferred among those that do the same.
    """
    written = [[rollout.advantage for rollout in group] for group in batch.groups]
    if any(value is None for row in written for value in row):
        return None
    totals = padded(_totals(batch, reward_weights))
    advantages = padded([np.array(row, dtype=np.float64) for row in written])
    return fitting_estimator(totals, advantages, first=engine.replace("-", "_"), tolerances=AGREES)


def padded(rows: Sequence[Array]) -> Array:
    """Return rows of several lengths as one array, NaN where a row is at its end."""
    filled = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(filled, rows, strict=True):
        row[: len(values)] = values
    return filled


def _totals(batch: ImportedBatch, reward_weights: Mapping[str, float]) -> list[Array]:
    """Return the total reward of each completion, group by group."""
    rewards = [[r.rewards.get(name, np.nan) for name in reward_weights] for group in batch.groups for r in group]
    totals = total_rewards(np.array(rewards), np.array(list(reward_weights.values())))
    return np.split(totals, np.cumsum([len(group) for group in batch.groups])[:-1])


def _group(group: Sequence[Rollout], reward_weights: Mapping[str, float], estimates: Estimates) -> CompletionGroup:
    estimates.tokens += sum(rollout.tokens is None for rollout in group)
    estimates.finish_reasons += sum(rollout.finish_reason is None for rollout in group)
    mode = group[0].mode
    estimates.by_mode[mode] = estimates.by_mode.get(mode, 0) + len(group)
    tokens = [len(rollout.text.split()) if rollout.tokens is None else rollout.tokens for rollout in group]
    return CompletionGroup(
        prompt=group[0].prompt,
        completions=tuple(rollout.text for rollout in group),
        token_counts=np.array(tokens, dtype=np.int32),
        finish_reasons=tuple(rollout.finish_reason or "unknown" for rollout in group),
        rewards={name: np.array([r.rewards.get(name, np.nan) for r in group]) for name in reward_weights},
        reward_weights=dict(reward_weights),
        turns=tuple(rollout.turns for rollout in group) if any(rollout.turns for rollout in group) else None,
        gold=next((rollout.gold for rollout in group if rollout.gold is not None), None),
    )


def _advantages(group: Sequence[Rollout], plain: Array, estimates: Estimates) -> Array:
    known = [rollout.advantage is not None for rollout in group]
    estimates.advantages += len(group) - sum(known)
    estimates.advantages_known += sum(known)
    written = [np.nan if rollout.advantage is None else rollout.advantage for rollout in group]
    return np.where(known, np.nan_to_num(np.array(written, dtype=np.float64)), plain)
