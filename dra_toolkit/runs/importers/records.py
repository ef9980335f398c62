"""Rollouts of a step put together as groups, with only a few steps in memory, and these as records.

Similarity is measured here; advantages are as they were written, or computed.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np

from dra_toolkit.diversity import DiversitySettings, Estimator, adjust, group_advantages, total_rewards
from dra_toolkit.embedding import Embedder
from dra_toolkit.groups import Array, CompletionGroup, GroupRecord, Mode
from dra_toolkit.runs.importers.fitting import rewards_of
from dra_toolkit.runs.importers.rollout import Rollout

PLAIN = DiversitySettings(measure="none")
"""Other trainers adjust nothing: the redundancy is measured, every weight is 1."""
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

    for key, run in groupby(rollouts, itemgetter(0, 1)):
        if key not in opened and len(of_mode := [other for other in opened if other[0] == key[0]]) >= OPEN_STEPS:
            yield close(min(of_mode, key=lambda other: other[1]))
        while rows := list(islice(run, MOST_ROLLOUTS - len(opened.get(key, ())))):
            opened.setdefault(key, []).extend(rows)
            if len(opened[key]) >= MOST_ROLLOUTS:
                yield close(key)
    for key in sorted(opened, key=lambda other: (other[1], other[0])):
        yield close(key)


def _grouped(rollouts: list[Rollout], consecutive: bool) -> list[list[Rollout]]:
    groups: defaultdict[object, list[Rollout]] = defaultdict(list)
    before, turn = object(), 0
    for (group, prompt), run in groupby(rollouts, itemgetter(2, 3)):
        identity = prompt if group is None else (group,)
        turn += consecutive and identity != before
        before = identity
        groups[identity, turn].extend(run)
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


Estimates = Counter[str]
"""What was not in the source (tokens, finish_reasons, advantages), and advantages_known: counted in completions."""


def as_records(
    batch: ImportedBatch,
    reward_weights: Mapping[str, float],
    made: Estimator,
    embedder: Embedder | None,
    estimates: Estimates,
) -> list[GroupRecord]:
    """Return the groups of a batch as records."""
    factors = np.array(list(reward_weights.values()))
    totals = total_rewards(rewards_of(batch.groups, list(reward_weights))[..., :-1], factors)
    plain = group_advantages(totals, made)  # a missing total neither counts nor has an advantage
    texts = [rollout.text for group in batch.groups for rollout in group]
    vectors = None if embedder is None else embedder.embed(texts).vectors
    where: dict[str, Any] = {"mode": batch.mode, "step": batch.step, "batch": batch.batch, "attempt": 1}
    records, start = [], 0
    for index, group in enumerate(batch.groups):
        size, embedded = len(group), None if vectors is None else vectors[start : start + len(group)]
        start += size
        known: dict[str, Any] = {"totals": totals[index, :size], "settings": PLAIN}
        if embedded is None:
            adjustment = adjust(similarity=np.full((size, size), np.nan), **known)
        else:
            adjustment = adjust(embeddings=embedded, **known)
        reason = next((r.discard_reason for r in group if r.discard_reason), None)
        own, sampled = plain[index, :size], _group(group, reward_weights, estimates)
        known = {"plain_advantages": own, "advantages": _advantages(group, own, estimates), "discard_reason": reason}
        records.append(GroupRecord(**where, index=index, group=sampled, adjustment=adjustment, **known))
    return records


def _group(group: Sequence[Rollout], reward_weights: Mapping[str, float], estimates: Estimates) -> CompletionGroup:
    estimates["tokens"] += sum(rollout.tokens is None for rollout in group)
    estimates["finish_reasons"] += sum(rollout.finish_reason is None for rollout in group)
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
    estimates.update(advantages=len(group) - sum(known), advantages_known=sum(known))
    written = [np.nan if rollout.advantage is None else rollout.advantage for rollout in group]
    return np.where(known, np.nan_to_num(np.array(written, dtype=np.float64)), plain)
