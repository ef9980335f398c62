"""Recorded numbers as arrays: rows of whole generation batches, cut into blocks of groups of one size."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array
from dra_toolkit.inspection.replay.signals import Labeller, Labels, correct_of, labels_of, log_probs_of, reads_correct
from dra_toolkit.runs.numbers import KEYS, starts_of
from dra_toolkit.runs.schema import FileFacts

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("total", "similarity", "advantage", "tokens")
"""What a replay reads of each completion, beside its keys."""
Indices = NDArray[np.intp]
SINGLE = 16 * float(np.finfo(np.float32).eps)
HALF = float(np.finfo(np.float16).eps) / 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """N completions of M groups in whole generation batches, as they were recorded."""

    facts: FileFacts
    keys: NDArray[np.integer[Any]]
    """(M, 3) step, batch and group of each group."""
    starts: Indices
    """(M + 1,) the row where each group begins, and N."""
    totals: Array
    """(N,)"""
    advantages: Array
    """(N,) as recorded."""
    tokens: Array
    """(N,)"""
    similarity: Array
    """The upper triangles of all groups, row by row, one after the other."""
    correct: NDArray[np.bool_] | None = None
    """(N,) which completions count as correct, where a reward function tells."""
    labels: Labels | None = None
    """(N,) clusters, where the measure reads them."""
    log_probs: Array | None = None
    """(N,) where the measure reads them and they were recorded."""
    embeddings: Array | None = None
    """(N, d), where the replay embeds anew or needs them."""
    embedded_anew: bool = False
    """Whether the similarity is that of these embeddings, not the recorded one."""

    @property
    def precision(self) -> float:
        """How exactly adjusted totals follow from what was recorded, as a share of the largest of the group.

        Embeddings are recorded in half precision. That moves a similarity by much less than their largest relative
        error, since the errors of the dimensions cancel: a quarter of it is twice what was seen in any group.
        """
        return SINGLE if self.embeddings is None or self.embedded_anew else HALF

    @functools.cached_property
    def known_advantages(self) -> Array:
        """(N,) as recorded, 0 for what is no finite number."""
        return np.nan_to_num(self.advantages, posinf=0.0, neginf=0.0)

    @property
    def sizes(self) -> Indices:
        """(M,) completions of each group."""
        return np.diff(self.starts)

    def signals(self) -> dict[str, Any]:
        """Return by their names, (N,) each, what measures may read besides totals and similarity."""
        found = {"correct": self.correct, "labels": self.labels, "log_probs": self.log_probs, "lengths": self.tokens}
        return {name: values for name, values in found.items() if values is not None}

    @functools.cached_property
    def batches(self) -> Indices:
        """(B + 1,) the group where each generation batch begins, and M."""
        changed = (self.keys[1:, :2] != self.keys[:-1, :2]).any(axis=1)
        return np.concatenate([[0], 1 + np.flatnonzero(changed), [len(self.keys)]])

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """The groups by size; one block where all have the same."""
        return list(_blocks(self))


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """n groups of G completions each."""

    groups: Indices
    """(n,) their places among the groups of the piece."""
    rows: Indices
    """(n, G) the rows of their completions."""
    is_all: bool
    """Whether these are all groups of the piece."""
    triangles: Indices
    """(n,) where the similarity of each begins."""

    def of(self, values: Array) -> Array:
        """Return those of the (N,) values of a piece that belong to these groups, (n, G)."""
        return values.reshape(self.rows.shape) if self.is_all else values[self.rows]

    def similarity(self, values: Array) -> Array:
        """Return the whole matrices, (n, G, G), of the upper triangles of a piece."""
        n, G = self.rows.shape
        T = G * (G - 1) // 2
        above = values.reshape(n, T) if self.is_all else values[self.triangles[:, None] + np.arange(T)]
        with_one = np.empty((n, T + 1), dtype=values.dtype)
        with_one[:, 0] = 1.0
        with_one[:, 1:] = above
        return np.take(with_one, _places(G), axis=1).reshape(n, G, G)


@functools.cache
def _places(G: int) -> Indices:
    """Return, for each cell of a (G, G) matrix, its place in a row of 1 and the upper triangle."""
    places = np.zeros((G, G), dtype=np.intp)
    above = np.triu_indices(G, 1)
    places[above] = np.arange(1, len(above[0]) + 1)
    return (places + places.T).ravel()


def _blocks(piece: Piece) -> Iterator[Block]:
    sizes = piece.sizes
    triangles = np.concatenate([[0], np.cumsum(sizes * (sizes - 1) // 2)])
    for G in np.unique(sizes):
        groups = np.flatnonzero(sizes == G)
        rows = piece.starts[groups][:, None] + np.arange(G)
        yield Block(groups=groups, rows=rows, is_all=len(groups) == len(sizes), triangles=triangles[groups])


def piece_of(
    table: pa.Table,
    facts: FileFacts,
    settings: DiversitySettings,
    recorded: DiversitySettings,
    embeddings: Array | None = None,
    *,
    anew: bool = False,
    labeller: Labeller | None = None,
) -> Piece:
    """Return the rows of a table as arrays, with what `settings` need; raises RunError if they do not fit together.

    anew: whether the embeddings take the place of the recorded similarity. labeller: makes the clusters of the texts.
    """
    starts = starts_of(table, KEYS)
    similarity = table["similarity"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    sizes = np.diff(starts)
    if len(similarity) != int((sizes * (sizes - 1) // 2).sum()):
        step, batch = table["step"][0], table["batch"][0]
        raise RunError(f"{facts.run}: step {step}, batch {batch}: the recorded similarity does not fit its groups")
    return Piece(
        facts=facts,
        keys=np.stack([table[name].to_numpy()[starts[:-1]] for name in KEYS], axis=1),
        starts=starts,
        totals=_numbers(table, "total"),
        advantages=_numbers(table, "advantage"),
        tokens=_numbers(table, "tokens"),
        similarity=similarity,
        correct=correct_of(table, facts) if reads_correct(settings) else None,
        labels=labels_of(table, settings, recorded, labeller),
        log_probs=log_probs_of(table),
        embeddings=embeddings,
        embedded_anew=anew,
    )


def _numbers(table: pa.Table, name: str) -> Array:
    return table[name].to_numpy().astype(np.float64, copy=False)


def needs_embeddings(settings: DiversitySettings) -> bool:
    """Return whether the similarity inside the groups is not enough: slices compare completions of different groups."""
    return settings.adjusts and (settings.scope != "group" or "embeddings" in settings.needs)
