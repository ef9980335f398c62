"""Recorded numbers as arrays: completions of whole generation batches, cut into blocks of groups of one size."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import Signals
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array

Indices = NDArray[np.intp]
SINGLE = 16 * float(np.finfo(np.float32).eps)
HALF = float(np.finfo(np.float16).eps) / 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """N completions of M groups in whole generation batches, as they were recorded.

    source                      what the numbers are of, for messages: a run, or a step
    keys                        (M, 3) step, batch and group of each group
    starts                      (M + 1,) the row where each group begins, and N
    totals, advantages, tokens  (N,)
    similarity                  the upper triangles of all groups, row by row, one after the other
    known                       what else is known of the completions, (N, ...), by its name in `Signals`
    embedded_anew               whether the similarity is that of the known embeddings, not the recorded one
    """

    source: str
    keys: NDArray[np.integer[Any]]
    starts: Indices
    totals: Array
    advantages: Array
    tokens: Array
    similarity: Array
    known: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    embedded_anew: bool = False

    @property
    def precision(self) -> float:
        """How exactly adjusted totals follow from what was recorded, as a share of the largest of the group.

        Embeddings are recorded in half precision. That moves a similarity by much less than their largest relative
        error, since the errors of the dimensions cancel: a quarter of it is twice what was seen in any group.
        """
        return SINGLE if self.embedded_anew or "embeddings" not in self.known else HALF

    @functools.cached_property
    def known_advantages(self) -> Array:
        """(N,) as recorded, 0 for what is no finite number."""
        return np.nan_to_num(self.advantages, posinf=0.0, neginf=0.0)

    def place(self, group: int) -> tuple[int, int, int]:
        """Return step, batch and index of a group, given its place among those of the piece."""
        step, batch, index = self.keys[group].tolist()
        return step, batch, index

    @property
    def sizes(self) -> Indices:
        """(M,) completions of each group."""
        return np.diff(self.starts)

    def signals(self, block: Block) -> Signals:
        """Return what is known of the groups of a block, the similarity as recorded or that of the embeddings."""
        values = {"lengths": self.tokens, **self.known}
        known: dict[str, Any] = {name: block.of(each) for name, each in values.items()}
        if not self.embedded_anew:
            known["similarity"] = block.similarity(self.similarity)
        return Signals(totals=block.of(self.totals), **known)

    def steps(self, block: Block) -> Array:
        """Return the step, (n,), of each group of a block."""
        return self.keys[block.groups, 0].astype(np.float64)

    @functools.cached_property
    def batches(self) -> Indices:
        """(B + 1,) the group where each generation batch begins, and M."""
        changed = (self.keys[1:, :2] != self.keys[:-1, :2]).any(axis=1)
        return np.concatenate([[0], 1 + np.flatnonzero(changed), [len(self.keys)]])

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """The groups by size; one block where all have the same."""
        return [self._block(np.flatnonzero(self.sizes == G)) for G in np.unique(self.sizes)]

    def batch_blocks(self, rows: int) -> Iterator[Block]:
        """Yield the generation batches, each of groups of one size that can be cut into slices of so many rows."""
        for first, end in pairwise(self.batches.tolist()):
            sizes = set(self.sizes[first:end].tolist())
            if len(sizes) != 1 or int(self.sizes[first:end].sum()) % rows:
                raise RunError(
                    f"{self.source}: step {self.keys[first, 0]}: {self.sizes[first:end].sum()} completions in groups of "
                    f"{', '.join(map(str, sorted(sizes)))} cannot be cut into slices of {rows}"
                )
            yield self._block(np.arange(first, end))

    @functools.cached_property
    def _triangles(self) -> Indices:
        pairs = self.sizes * (self.sizes - 1) // 2
        return np.cumsum(pairs) - pairs

    def _block(self, groups: Indices) -> Block:
        rows = self.starts[groups][:, None] + np.arange(self.sizes[groups[0]])
        return Block(groups=groups, rows=rows, triangles=self._triangles[groups])


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """n groups of G completions each.

    groups     (n,) their places among the groups of the piece
    rows       (n, G) the rows of their completions
    triangles  (n,) where the similarity of each begins
    """

    groups: Indices
    rows: Indices
    triangles: Indices

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return those of the values of a piece, (N, ...), that belong to these groups, (n, G, ...)."""
        return values[self.rows]

    def put(self, values: Array, into: Array) -> None:
        """Put values of these groups, (n, G), where they belong among those of a piece, (N,)."""
        into[self.rows] = values

    def similarity(self, values: Array) -> Array:
        """Return the whole matrices, (n, G, G), of the upper triangles of a piece."""
        n, G = self.rows.shape
        i, j = np.triu_indices(G, 1)
        found = np.ones((n, G, G), dtype=values.dtype)
        found[:, i, j] = found[:, j, i] = values[self.triangles[:, None] + np.arange(len(i))]
        return found
