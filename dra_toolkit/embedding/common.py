"""What every embedder does the same way: duplicates once, batches by length, unit rows in the caller's order."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.embedding.protocol import Embeddings
from dra_toolkit.groups import Array

T = TypeVar("T", bound=Hashable)
Indices = NDArray[np.intp]
Counts = NDArray[np.int64]


def distinct(items: Iterable[T]) -> tuple[list[T], Indices]:
    """Return the n distinct items in order of first appearance, and each of N items' position among them, (N,)."""
    positions: dict[T, int] = {}
    inverse = np.array([positions.setdefault(item, len(positions)) for item in items], dtype=np.intp)
    return list(positions), inverse


def batches(lengths: Counts, *, budget: int) -> list[Indices]:
    """Split n texts of the given lengths (n,) into batches of at most `budget` tokens, padding included.

    Longest first, so that little is padded and memory runs out at once or never. Texts of length 0 are in no batch; a
    text longer than the budget is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[: int((lengths > 0).sum())]
    parts, start = [], 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        parts.append(order[start : start + size])
        start += size
    return parts


def embed_batches(
    parts: Sequence[Indices], *, count: int, embed: Callable[[Indices], Array], dimensions: int = 1
) -> Array:
    """Return float32 rows (count, d) put together from `embed(part)`, (len(part), d); NaN where no batch has a text.

    `dimensions` is d where there is no batch at all.
    """
    rows: Array | None = None
    for part in parts:
        embedded = embed(part)
        if rows is None:
            rows = np.full((count, embedded.shape[1]), np.nan, dtype=np.float32)
        rows[part] = embedded
    return np.full((count, dimensions), np.nan, dtype=np.float32) if rows is None else rows


def finish(rows: Any, *, inverse: Indices, cut: NDArray[np.bool_] | None = None) -> Embeddings:
    """Turn the rows of the n distinct texts, (n, d), into the embeddings of N completions.

    inverse     (N,) position of each completion's text among the distinct ones
    cut         (n,) whether the text was longer than the cap; None where nothing is ever cut
    """
    unit, valid = unit_rows(np.asarray(rows))
    return Embeddings(
        vectors=unit[inverse],
        truncated=0 if cut is None else int(cut[inverse].sum()),
        invalid=int((~valid[inverse]).sum()),
    )


def unit_rows(rows: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return float32 rows (n, d) of length 1, and which of them had a finite direction, (n,); the others are zero."""
    finite = np.isfinite(rows).all(axis=1, keepdims=True)
    rows = np.where(finite, rows, 0)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    valid = largest > 0
    # Divided by the largest entry first: the square of a float32 overflows at 1.8e19.
    scaled = (rows / np.where(valid, largest, 1.0)).astype(np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", scaled, scaled)).reshape(-1, 1)
    return scaled / np.where(valid, norms, np.float32(1.0)), np.ravel(valid)
