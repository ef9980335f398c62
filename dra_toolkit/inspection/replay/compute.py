"""Adjusted totals and advantages of recorded groups under given settings: the trainer's own functions, on many at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dra_toolkit.diversity import (
    DiversitySettings,
    Scaling,
    adjust,
    adjust_similarity,
    adjusted_advantages,
)
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array
from dra_toolkit.inspection.replay.pieces import Block, Piece

MISSING = "embedder={} embeds the texts anew"


def advantages_of(piece: Piece, settings: DiversitySettings, scaling: Scaling) -> tuple[Array, Array]:
    """Return the adjusted totals and the advantages, (N,) each, of a piece under other settings."""
    adjusted, advantages = np.empty_like(piece.totals), np.empty_like(piece.totals)
    for rows, shape, is_there, adjustment in _adjustments(piece, settings, scaling):
        found = adjusted_advantages(adjustment, scaling, settings)
        adjusted[rows] = adjustment.adjusted.reshape(shape) if is_there is None else adjustment.adjusted[is_there]
        advantages[rows] = found.reshape(shape) if is_there is None else found[is_there]
    return adjusted, advantages


Part = tuple[Any, tuple[int, ...], Any, Adjustment]
"""Rows of the piece, their shape, which cells of the adjustment they are (None: all), and the adjustment."""


def _adjustments(piece: Piece, settings: DiversitySettings, scaling: Scaling) -> Iterator[Part]:
    if settings.adjusts and settings.scope != "group":
        for first, end in _batches(piece):
            rows = slice(int(piece.starts[first]), int(piece.starts[end]))
            yield rows, (rows.stop - rows.start,), None, _sliced(piece, settings, first, end)
        return
    blocks = [(block, _adjusted(piece, block, settings)) for block in piece.blocks]
    if scaling == "batch":
        yield from _by_batch(piece, blocks)
        return
    for block, adjustment in blocks:
        yield (slice(None) if block.is_all else block.rows), _shape(piece, block), None, adjustment


def _shape(piece: Piece, block: Block) -> tuple[int, ...]:
    return piece.totals.shape if block.is_all else block.rows.shape


def _adjusted(piece: Piece, block: Block, settings: DiversitySettings) -> Adjustment:
    """Return the adjustment of groups of one size, compared each with itself."""
    totals = block.of(piece.totals)
    if not settings.adjusts:
        ones = np.ones_like(totals)
        return Adjustment(similarity=ones, redundancy=ones, weights=ones, totals=totals, adjusted=totals)
    known = {
        "totals": totals,
        "settings": settings,
        "step": piece.keys[block.groups, 0].astype(np.float64),
        **{name: block.of(found) for name, found in piece.signals().items()},
    }
    embeddings = None if piece.embeddings is None else piece.embeddings[block.rows]
    if embeddings is not None and piece.embedded_anew:
        return adjust(embeddings=embeddings, **known)
    similarity = block.similarity(piece.similarity)
    if "similarity" in settings.needs and np.isnan(similarity).any():
        raise RunError(
            f"{piece.facts.run}: the similarity was not recorded (embedder: {piece.facts.embedder}); "
            + MISSING.format("hash, or another,")
        )
    return adjust_similarity(similarity=similarity, embeddings=embeddings, **known)


def _sliced(piece: Piece, settings: DiversitySettings, first: int, end: int) -> Adjustment:
    """Return the adjustment of one generation batch, compared within slices of its rows."""
    if piece.embeddings is None:
        raise RunError(
            f"{piece.facts.run}: diversity_scope rank_slice compares completions across groups, which the recorded "
            f"similarity does not hold; {MISSING.format(piece.facts.embedder)}"
        )
    rows, sizes = settings.slice_rows or 0, piece.sizes[first:end]
    start, stop = int(piece.starts[first]), int(piece.starts[end])
    if len(set(sizes.tolist())) != 1 or (stop - start) % rows:
        raise RunError(
            f"{piece.facts.run}: step {piece.keys[first, 0]}: {stop - start} completions in groups of "
            f"{', '.join(map(str, sorted(set(sizes.tolist()))))} cannot be cut into slices of {rows}"
        )
    shape = (end - first, int(sizes[0]))
    return adjust(
        embeddings=piece.embeddings[start:stop].reshape(*shape, -1),
        totals=piece.totals[start:stop].reshape(shape),
        settings=settings,
        step=piece.keys[first:end, 0].astype(np.float64),
        **{name: found[start:stop].reshape(shape) for name, found in piece.signals().items()},
    )


def _by_batch(piece: Piece, blocks: list[tuple[Block, Adjustment]]) -> Iterator[Part]:
    """Yield whole generation batches; a group smaller than others is filled up with missing totals, which do not count."""
    flat = {name: np.empty_like(piece.totals) for name in ("weights", "adjusted", "bonus")}
    for block, adjustment in blocks:
        bonus = np.zeros(block.rows.shape) if adjustment.bonus is None else adjustment.bonus
        for name, values in (("weights", adjustment.weights), ("adjusted", adjustment.adjusted), ("bonus", bonus)):
            flat[name][block.rows] = values
    has_bonus = any(adjustment.bonus is not None for _, adjustment in blocks)
    for first, end in _batches(piece):
        rows = slice(int(piece.starts[first]), int(piece.starts[end]))
        sizes = piece.sizes[first:end]
        is_there = np.arange(sizes.max()) < sizes[:, None]
        padded = {name: np.full(is_there.shape, np.nan) for name in ("totals", *flat)}
        for name, values in {**flat, "totals": piece.totals}.items():
            padded[name][is_there] = values[rows]
        yield (
            rows,
            (),
            is_there,
            Adjustment(
                similarity=padded["weights"],
                redundancy=padded["weights"],
                weights=padded["weights"],
                totals=padded["totals"],
                adjusted=padded["adjusted"],
                bonus=padded["bonus"] if has_bonus else None,
            ),
        )


def _batches(piece: Piece) -> Iterator[tuple[int, int]]:
    """Yield the first group of each generation batch, and the first after it."""
    yield from zip(piece.batches[:-1].tolist(), piece.batches[1:].tolist(), strict=True)
