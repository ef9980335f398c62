"""Groups of another trainer as records: similarity measured here, advantages as they were written, or computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dra_toolkit.diversity import (
    SCALINGS,
    DiversitySettings,
    Scaling,
    adjust,
    adjust_similarity,
    group_advantages,
    total_rewards,
)
from dra_toolkit.embedding import Embedder
from dra_toolkit.groups import Adjustment, Array, CompletionGroup, GroupRecord
from dra_toolkit.runs.importers.grouping import ImportedBatch
from dra_toolkit.runs.importers.rollout import Rollout

PLAIN = DiversitySettings(measure="none")
"""Other trainers adjust nothing: the redundancy is measured, every weight is 1."""
AGREES = 1e-3


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
    *,
    reward_weights: Mapping[str, float],
    scaling: Scaling,
    embedder: Embedder | None,
    estimates: Estimates,
) -> list[GroupRecord]:
    """Return the groups of a batch as records."""
    totals = [_totals(group, reward_weights) for group in batch.groups]
    plain = padded_advantages(totals, scaling)
    texts = [rollout.text for group in batch.groups for rollout in group]
    vectors = None if embedder is None else embedder.embed(texts).vectors
    records, start = [], 0
    for index, group in enumerate(batch.groups):
        embedded = None if vectors is None else vectors[start : start + len(group)]
        start += len(group)
        records.append(
            GroupRecord(
                mode=batch.mode,
                step=batch.step,
                batch=batch.batch,
                index=index,
                attempt=1,
                group=_group(group, reward_weights, estimates),
                adjustment=_measured(embedded, totals[index]),
                plain_advantages=plain[index],
                advantages=_advantages(group, plain[index], estimates),
                discard_reason=next((r.discard_reason for r in group if r.discard_reason), None),
            )
        )
    return records


def best_scaling(batch: ImportedBatch, reward_weights: Mapping[str, float]) -> Scaling | None:
    """Return the scaling that gives the advantages that were written; None if there are none, or no scaling does."""
    written = [[rollout.advantage for rollout in group] for group in batch.groups]
    known = [row for row in written if all(value is not None for value in row)]
    if len(known) != len(written) or not known:
        return None
    totals = [_totals(group, reward_weights) for group in batch.groups]
    for scaling in SCALINGS:
        found = padded_advantages(totals, scaling)
        apart = [
            np.abs(np.array(row, dtype=np.float64) - values).max() for row, values in zip(written, found, strict=True)
        ]
        if max(apart) < AGREES:
            return scaling
    return None


def padded_advantages(totals: Sequence[Array], scaling: Scaling) -> list[Array]:
    """Return the advantages of the groups of one batch, whatever their sizes."""
    sizes = list(map(len, totals))
    filled = np.full((len(totals), max(sizes)), np.nan)  # a missing total neither counts nor has an advantage
    for row, values in zip(filled, totals, strict=True):
        row[: len(values)] = values
    found = group_advantages(filled, scaling)
    return [row[:size] for row, size in zip(found, sizes, strict=True)]


def _totals(group: Sequence[Rollout], reward_weights: Mapping[str, float]) -> Array:
    rewards = np.array([[rollout.rewards.get(name, np.nan) for name in reward_weights] for rollout in group])
    return total_rewards(rewards, np.array(list(reward_weights.values())))


def _measured(embedded: Array | None, totals: Array) -> Adjustment:
    if embedded is not None:
        return adjust(embeddings=embedded, totals=totals, settings=PLAIN)
    G = len(totals)
    return adjust_similarity(similarity=np.full((G, G), np.nan), totals=totals, settings=PLAIN)


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
        finish_reasons=tuple(rollout.finish_reason or "stop" for rollout in group),
        rewards={name: np.array([r.rewards.get(name, np.nan) for r in group]) for name in reward_weights},
        reward_weights=dict(reward_weights),
    )


def _advantages(group: Sequence[Rollout], plain: Array, estimates: Estimates) -> Array:
    known = [rollout.advantage is not None for rollout in group]
    estimates.advantages += len(group) - sum(known)
    estimates.advantages_known += sum(known)
    written = [np.nan if rollout.advantage is None else rollout.advantage for rollout in group]
    return np.where(known, np.nan_to_num(np.array(written, dtype=np.float64)), plain)
