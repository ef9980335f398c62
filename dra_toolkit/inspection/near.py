"""Completions most like a given one, over a whole run."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dra_toolkit.embedding import Embedder
from dra_toolkit.groups import Mode
from dra_toolkit.runs import Run


@dataclass(frozen=True, kw_only=True, order=True)
class Neighbour:
    """A completion and how similar it is."""

    similarity: float
    """Cosine similarity."""
    step: int
    batch: int
    group: int
    completion: int
    text: str


def nearest(
    run: Run,
    text: str,
    embedder: Embedder,
    *,
    mode: Mode = "train",
    steps: tuple[int, int] | None = None,
    limit: int = 10,
    embedded: Callable[[int], None] = lambda completions: None,
) -> list[Neighbour]:
    """Return the completions most similar to a text, the most similar first; equal texts count once, where they are first.

    Every completion of the steps is embedded, one generation batch in memory at a time; `embedded` is called with the
    number embedded since the last call.
    """
    wanted = embedder.embed([text]).vectors[0]
    best: list[Neighbour] = []
    seen: set[str] = set()
    for _, table in run.store.read(mode=mode, steps=steps):
        texts = table["completion"].to_pylist()
        similarity = embedder.embed(texts).vectors @ wanted
        rows = table.select(["step", "batch", "group_index", "completion_index"]).to_pylist()
        for row in np.argsort(-similarity, kind="stable")[: 4 * limit].tolist():
            least = best[0].similarity if len(best) >= limit else -np.inf
            if similarity[row] <= least:
                break
            if texts[row] in seen:
                continue
            seen.add(texts[row])
            place = rows[row]
            found = Neighbour(
                similarity=float(similarity[row]),
                step=place["step"],
                batch=place["batch"],
                group=place["group_index"],
                completion=place["completion_index"],
                text=texts[row],
            )
            heapq.heappush(best, found) if len(best) < limit else heapq.heappushpop(best, found)
        embedded(len(table))
    return sorted(best, key=lambda found: (-found.similarity, found.step, found.batch, found.group, found.completion))
