"""Completions most like a given one, over the steps of a run."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dra_toolkit.embedding import EMBEDDERS, Embedder, EmbedderSettings
from dra_toolkit.groups import Array, Mode
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    import pyarrow as pa

VectorsOf = Callable[["pa.Table"], Array | None]
"""From the rows of a generation batch to their unit vectors, (N, d), or None where there are none."""


@dataclass(frozen=True, order=True)
class Neighbour:
    """A completion and its cosine similarity."""

    similarity: float
    step: int
    batch: int
    group: int
    completion: int
    text: str


def embedder_of(run: Run) -> EmbedderSettings | None:
    """Return the embedder that the run was recorded with.

    None if it cannot embed recorded texts, as the policy, or is not one of ours: a run folder may come from anywhere, and
    what it names is not fetched or run unasked.
    """
    settings = run.recipe.embedder
    return settings if settings.name in EMBEDDERS and EMBEDDERS[settings.name].reads_texts else None


def recorded_vectors(table: pa.Table) -> Array | None:
    """Return the embeddings that were recorded with a batch, or None."""
    if "embedding" not in table.column_names or table["embedding"].null_count:
        return None
    values = table["embedding"].combine_chunks()
    return values.flatten().to_numpy().astype(np.float32).reshape(len(values), -1)


def vectors_by(embedder: Embedder) -> VectorsOf:
    """Return what embeds the texts of a batch anew."""
    return lambda table: embedder.embed(table["completion"].to_pylist()).vectors


def nearest(
    run: Run,
    wanted: Array,
    vectors_of: VectorsOf,
    *,
    mode: Mode = "train",
    steps: tuple[int, int] | None = None,
    limit: int = 10,
    done: Callable[[int], None] = lambda completions: None,
) -> list[Neighbour]:
    """Return the completions most similar to a vector, the most similar first; equal texts count once, where they are first.

    Every completion of the steps is compared, one generation batch in memory at a time; `done` is called with the number
    compared since the last call. wanted: (d,), of unit length.
    """
    best: list[Neighbour] = []
    seen: set[str] = set()
    for _, table in run.store.read(mode=mode, steps=steps, with_texts=True):
        vectors = vectors_of(table)
        if vectors is not None and vectors.shape[1] == len(wanted):
            for found in _candidates(table, vectors @ wanted, best, seen, limit):
                heapq.heappush(best, found) if len(best) < limit else heapq.heappushpop(best, found)
        done(len(table))
    return sorted(best, key=lambda found: (-found.similarity, found.step, found.batch, found.group, found.completion))


def _candidates(
    table: pa.Table, similarity: Array, best: list[Neighbour], seen: set[str], limit: int
) -> Iterator[Neighbour]:
    """Yield the different texts of a batch that are more similar than the least of `best`, the most similar first."""
    places = [table[name].to_pylist() for name in ("step", "batch", "group_index", "completion_index")]
    for row in np.argsort(-similarity, kind="stable").tolist():
        if len(best) >= limit and similarity[row] <= best[0].similarity:
            return
        text = table["completion"][row].as_py()
        if text not in seen:
            seen.add(text)
            step, batch, group, completion = (place[row] for place in places)
            yield Neighbour(float(similarity[row]), step, batch, group, completion, text)
