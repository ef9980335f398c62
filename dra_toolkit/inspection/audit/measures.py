"""How well a similarity separates what texts do from how they say it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dra_toolkit.diversity import adjust
from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array
from dra_toolkit.inspection.audit.samples import LabelledGroup

RESAMPLES = 2_000
THERE, WEAK = 0.75, 0.6
"""Lower ends of the AUC's interval from which the signal counts as there, and as weak."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What one embedder makes of labelled groups. Pairs are of different texts in one group, both labelled."""

    embedder: str
    within: float
    """Mean similarity of pairs with equal labels."""
    between: float
    """Mean similarity of pairs with different labels."""
    auc: float
    """Chance that a pair with equal labels is more similar than one of the same group with different labels."""
    low: float
    """Lower end of the 95 % interval of the AUC, by bootstrap over groups."""
    high: float
    within_pairs: int
    between_pairs: int
    groups: int
    """Groups with pairs of both kinds: only they tell anything."""
    truncated: float
    """Share of completions of which only the beginning was read."""
    seconds: float
    """Seconds to embed one completion."""
    seconds_per_1000_tokens: float
    redundancies: tuple[Array, ...] = field(repr=False, default=())
    """Graph-cut redundancy of each completion, by group."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How alike two embedders rank the redundancies of a group."""

    left: str
    right: str
    spearman: float
    """Mean rank correlation over groups; NaN if none has two different redundancies in both."""
    groups: int


def audit(
    groups: Sequence[LabelledGroup],
    embedder: Embedder,
    *,
    tokens_of: Callable[[Sequence[str]], list[list[int]]] | None = None,
    embedded: Callable[[int], None] = lambda completions: None,
    seed: int = 0,
) -> Audited:
    """Embed labelled groups and measure what the similarity tells apart.

    tokens_of: for an embedder that reads token ids. embedded: called with the completions embedded since the last call.
    Raises RunError if no group has pairs of both kinds.
    """
    wins, counts = [], []
    within, between, redundancies = list[float](), list[float](), list[Array]()
    truncated = total = tokens = 0
    seconds = 0.0
    embedder.embed(
        list(groups[0].texts), tokens_of(groups[0].texts) if tokens_of else None
    )  # loads what is loaded late
    for group in groups:
        ids = tokens_of(group.texts) if tokens_of else None
        started = time.perf_counter()
        found = embedder.embed(list(group.texts), ids)
        seconds += time.perf_counter() - started
        truncated, total, tokens = truncated + found.truncated, total + len(group.texts), tokens + sum(group.tokens)
        measured = adjust(embeddings=found.vectors, totals=np.zeros(len(group.texts)))
        redundancies.append(measured.redundancy)
        equal, other = _pairs(group, measured.similarity)
        within += equal.tolist()
        between += other.tolist()
        if len(equal) and len(other):
            wins.append(_wins(equal, other))
            counts.append(len(equal) * len(other))
        embedded(len(group.texts))
    if not counts:
        raise RunError(
            "audit: no group has two texts with equal labels and two with different ones, so nothing can be told apart; "
            "use other labels, or groups of a step at which the model still varies"
        )
    low, high = _interval(np.array(wins), np.array(counts, dtype=np.float64), seed)
    return Audited(
        embedder=embedder.name,
        within=float(np.mean(within)),
        between=float(np.mean(between)),
        auc=float(np.sum(wins) / np.sum(counts)),
        low=low,
        high=high,
        within_pairs=len(within),
        between_pairs=len(between),
        groups=len(counts),
        truncated=truncated / total,
        seconds=seconds / total,
        seconds_per_1000_tokens=1_000 * seconds / max(1, tokens),
        redundancies=tuple(redundancies),
    )


def verdict(found: Audited) -> str:
    """Return in words whether the signal is there, by the lower end of the AUC's interval."""
    if found.low >= THERE:
        return "the signal is there"
    if found.low >= WEAK:
        return "the signal is weak"
    if found.high < 0.5:
        return "upside down: what differs looks more alike than what is the same"
    return "no signal shown"


def agreement(audited: Sequence[Audited]) -> list[Agreement]:
    """Return the mean rank correlation of the redundancies for each two embedders, over the same groups."""
    found = []
    for i, left in enumerate(audited):
        for right in audited[i + 1 :]:
            ranks = [
                _spearman(a, b)
                for a, b in zip(left.redundancies, right.redundancies, strict=True)
                if np.ptp(a) > 1e-9 and np.ptp(b) > 1e-9
            ]
            mean = float(np.mean(ranks)) if ranks else float("nan")
            found.append(Agreement(left=left.embedder, right=right.embedder, spearman=mean, groups=len(ranks)))
    return found


def _pairs(group: LabelledGroup, similarity: Array) -> tuple[Array, Array]:
    """Return the similarities of pairs with equal and with different labels; equal texts are no pair."""
    equal: list[float] = []
    other: list[float] = []
    for i in range(len(group.texts)):
        for j in range(i):
            if group.texts[i] == group.texts[j] or group.labels[i] is None or group.labels[j] is None:
                continue
            (equal if group.labels[i] == group.labels[j] else other).append(float(similarity[i, j]))
    return np.array(equal), np.array(other)


def _wins(equal: Array, other: Array) -> float:
    """Return in how many of all (equal, other) the first is larger; ties count half: Mann and Whitney's U."""
    differences = equal[:, None] - other[None, :]
    return float((differences > 0).sum() + 0.5 * (differences == 0).sum())


def _interval(wins: Array, counts: Array, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(wins), size=(RESAMPLES, len(wins)))
    low, high = np.quantile(wins[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _spearman(a: Array, b: Array) -> float:
    """Return the correlation of mean ranks."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Array) -> Array:
    """Return the ranks, (G,); equal values share the mean of theirs."""
    _, inverse, counts = np.unique(np.round(values, 9), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
