"""How well a similarity separates what texts do from how they say it, and how the terminal shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.diversity import cosine_similarity
from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array, mean_of_known
from dra_toolkit.inspection.audit.samples import LabelledGroup
from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.terminal import table
from dra_toolkit.safe_text import visible

DECIMALS = 6
"""Values that agree so far are ties: embeddings are float32, and equal texts must not be ranked by rounding."""
RESAMPLES = 2_000
THERE, WEAK = 0.75, 0.6
"""Lower ends of the AUC's interval from which the signal counts as there, and as weak."""
ENOUGH = 10
"""Groups that tell something below which there is neither interval nor verdict: a bootstrap of few is too narrow."""


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What one embedder makes of labelled groups. Pairs are of different texts in one group, both labelled.

    within, between   mean similarity of pairs with equal, with different labels: cosine, clamped at 0, as weights have it
    auc               chance that a pair with equal labels is more similar than one of the same group with different ones
    low, high         ends of the 95 % interval of the AUC, by bootstrap over groups; NaN for fewer than `ENOUGH`
    groups            those with pairs of both kinds: only they tell anything
    truncated         share of completions of which only the beginning was read
    seconds           to embed one completion
    """

    embedder: str
    within: float
    between: float
    auc: float
    low: float
    high: float
    within_pairs: int
    between_pairs: int
    groups: int
    truncated: float
    seconds: float


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
    won, counts = list[float](), list[int]()
    within, between = list[Array](), list[Array]()
    truncated = total = 0
    seconds = 0.0
    first = list(groups[0].texts)
    embedder.embed(first, tokens_of(first) if tokens_of else None)  # loads what is loaded late
    for group in groups:
        ids = tokens_of(group.texts) if tokens_of else None
        started = time.perf_counter()
        found = embedder.embed(list(group.texts), ids)
        seconds += time.perf_counter() - started
        truncated, total = truncated + found.truncated, total + len(group.texts)
        equal, other = _pairs(group, cosine_similarity(found.vectors))
        within.append(equal)
        between.append(other)
        if len(equal) and len(other):
            won.append(wins(equal, other))
            counts.append(len(equal) * len(other))
        embedded(len(group.texts))
    if not counts:
        raise RunError(
            "audit: no group has two texts with equal labels and two with different ones, so nothing can be told apart; "
            "use other labels, or groups of a step at which the model still varies"
        )
    low = high = float("nan")
    if len(won) >= ENOUGH:
        drawn = np.random.default_rng(seed).integers(0, len(won), size=(RESAMPLES, len(won)))
        shares = np.array(won)[drawn].sum(axis=1) / np.array(counts)[drawn].sum(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975]).tolist()
    return Audited(
        embedder=embedder.name,
        within=mean_of_known(np.concatenate(within)),
        between=mean_of_known(np.concatenate(between)),
        auc=sum(won) / sum(counts),
        low=low,
        high=high,
        within_pairs=sum(map(len, within)),
        between_pairs=sum(map(len, between)),
        groups=len(counts),
        truncated=truncated / total,
        seconds=seconds / total,
    )


def verdict(found: Audited) -> str:
    """Return in words whether the signal is there, by the interval of the AUC."""
    if found.groups < ENOUGH:
        return f"too few groups to say: {found.groups}, at least {ENOUGH} are needed"
    if found.low >= THERE:
        return "the signal is there"
    if found.low >= WEAK:
        return "the signal is weak"
    if found.high < 0.5:
        return "upside down: what differs looks more alike than what is the same"
    return "no signal shown"


def _pairs(group: LabelledGroup, similarity: Array) -> tuple[Array, Array]:
    """Return the similarities of pairs with equal and with different labels; equal texts are no pair."""
    texts, labels = (np.array([values.index(value) for value in values]) for values in (group.texts, group.labels))
    labelled = np.array([label is not None for label in group.labels])
    i, j = np.tril_indices(len(texts), -1)
    counted = (texts[i] != texts[j]) & labelled[i] & labelled[j]
    i, j = i[counted], j[counted]
    similarities, equal = similarity[i, j], labels[i] == labels[j]
    return similarities[equal], similarities[~equal]


def wins(left: Array, right: Array) -> float:
    """Return in how many pairs (left, right) the first is larger; ties, to `DECIMALS`, count half.

    Mann and Whitney's U from the sum of ranks: U = R - n (n + 1) / 2 for the n values of `left`; ties share their mean rank.

    >>> wins(np.array([3.0, 1.0]), np.array([1.0]))
    1.5
    """
    values = np.round(np.concatenate((left, right)), DECIMALS)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place][: len(left)]
    return float(ranks.sum() - len(left) * (len(left) + 1) / 2)


RULE = (
    f"the signal is there if the interval begins at {THERE} or above, weak from {WEAK}; "
    f"fewer than {ENOUGH} groups say nothing"
)


HEADS = ("embedder", "within", "between", "AUC", "95 % interval", "cut", "ms each")


def cells(found: Audited) -> list[str]:
    """Return one row of the table, as `HEADS` says."""
    return [
        visible(found.embedder, one_line=True),
        f"{found.within:.3f}",
        f"{found.between:.3f}",
        f"{found.auc:.3f}",
        "-" if np.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}",
        f"{100 * found.truncated:.0f} %",
        f"{1_000 * found.seconds:.2f}",
    ]


def audit_view(audited: Sequence[Audited]) -> RenderableType:
    """Return the table, and a verdict for each embedder."""
    first = audited[0]
    counts = (
        f"groups that tell something: {first.groups:,}, with {first.within_pairs:,} pairs of equal labels and "
        f"{first.between_pairs:,} of different ones; pairs of equal texts are left out"
    )
    lines = [
        Text(counts, "dim"),
        *(Text(f"{visible(found.embedder, one_line=True)}: {verdict(found)}") for found in audited),
        Text(RULE, "dim"),
    ]
    columns = (head if head == "embedder" else f">{head}" for head in HEADS)
    return Group(table(columns, map(cells, audited)), *lines)


def as_plain(audited: Sequence[Audited]) -> dict[str, Any]:
    """Return an audit as JSON can hold it."""
    told: dict[str, Any] = plain({"embedders": [{**asdict(each), "verdict": verdict(each)} for each in audited]})
    return told
