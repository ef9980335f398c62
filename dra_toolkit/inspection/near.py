"""Completions most like a given one, over the steps of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.text_index import needed_by, steps_that_may_hold
from dra_toolkit.inspection.vectors import VectorsOf
from dra_toolkit.runs import Run
from dra_toolkit.runs.store import ALL_STEPS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Neighbour:
    """A completion and its cosine similarity."""

    similarity: float
    step: int
    batch: int
    group: int
    completion: int
    text: str


def nearest(
    run: Run,
    wanted: Array,
    vectors_of: VectorsOf,
    *,
    mode: Mode = "train",
    steps: tuple[int, int] | None = None,
    containing: str | None = None,
    limit: int = 10,
    done: Callable[[int], None] = lambda completions: None,
) -> list[Neighbour]:
    """Return the completions most similar to a vector, the most similar first; equal texts count once, where they are first.

    Every completion of the steps is compared, or each that contains a text, one generation batch in memory at a time; `done`
    is called with the number compared since the last call. wanted: (d,), of unit length.
    """
    best: list[Neighbour] = []
    for table in _rows(run, containing, mode, steps or ALL_STEPS):
        vectors = vectors_of(table) if len(table) else None
        if vectors is not None and vectors.shape[1] == len(wanted):
            best = _best_of(table, vectors @ wanted, best, limit)
        done(len(table))
    return best


def _rows(run: Run, containing: str | None, mode: Mode, steps: tuple[int, int]) -> Iterator[pa.Table]:
    import pyarrow.compute as pc

    ranges = steps_that_may_hold(run.store, needed_by(re.escape(containing))[0]) if containing else None
    for first, last in [steps] if ranges is None else ranges:
        for _, table in run.store.read(mode=mode, steps=(max(first, steps[0]), min(last, steps[1])), with_texts=True):
            yield table.filter(pc.match_substring(table["completion"], containing)) if containing else table


def _best_of(table: pa.Table, similarity: Array, known: list[Neighbour], limit: int) -> list[Neighbour]:
    """Return the most similar of those known and of the rows of a batch, which are later ones, the most similar first."""
    places = [table[name].to_pylist() for name in ("step", "batch", "group_index", "completion_index")]
    least = known[-1].similarity if len(known) == limit else -np.inf
    found = {each.text: each for each in known}
    for row in np.argsort(-similarity, kind="stable").tolist():
        if similarity[row] <= least or len(found) >= len(known) + limit:
            break
        text = table["completion"][row].as_py()
        step, batch, group, completion = (place[row] for place in places)
        found.setdefault(text, Neighbour(float(similarity[row]), step, batch, group, completion, text))
    return sorted(found.values(), key=lambda each: -each.similarity)[:limit]
