"""Adjusted totals and advantages of recorded groups under given settings: the trainer's own functions, on many at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dra_toolkit.diversity import DiversitySettings, Scaling, adjust_signals, adjusted_advantages
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array
from dra_toolkit.inspection.replay.pieces import Block, Piece

MISSING = "embedder=hash, or the run's own, embeds the texts anew"

Found = list[tuple[Block, Adjustment]]
"""Groups of a piece, and what was made of them; together, all groups."""


def advantages_of(piece: Piece, settings: DiversitySettings, scaling: Scaling) -> tuple[Array, Array]:
    """Return the adjusted totals and the advantages, (N,) each, of a piece under other settings."""
    if settings.adjusts:
        return flattened(piece, adjustments(piece, settings), settings, scaling)
    ones = np.ones((1, 1))  # nobody looks at what is not used, and it would cost most of the time
    plain = [
        (
            block,
            Adjustment(similarity=ones, redundancy=ones, weights=np.ones_like(totals), totals=totals, adjusted=totals),
        )
        for block, totals in ((block, block.of(piece.totals)) for block in piece.blocks)
    ]
    return flattened(piece, plain, settings, scaling)


def adjustments(piece: Piece, settings: DiversitySettings) -> Found:
    """Return what the settings make of all groups of a piece; raises RunError for what they need and was not recorded."""
    blocks = piece.blocks
    if settings.adjusts and settings.scope != "group":
        if "embeddings" not in piece.known:
            raise RunError(
                f"{piece.source}: diversity_scope rank_slice compares completions across groups, which the recorded "
                f"similarity does not hold; {MISSING}"
            )
        blocks = list(piece.batch_blocks(settings.slice_rows or 1))
    needs_similarity = "similarity" in settings.needs and not piece.embedded_anew
    if needs_similarity and np.isnan(piece.similarity).any():
        raise RunError(f"{piece.source}: the similarity was not recorded; {MISSING}")
    return [(block, adjust_signals(piece.signals(block), settings, piece.steps(block))) for block in blocks]


def flattened(piece: Piece, found: Found, settings: DiversitySettings, scaling: Scaling) -> tuple[Array, Array]:
    """Return adjusted totals and advantages, (N,) each, in the order of the piece."""
    adjusted, advantages = np.empty_like(piece.totals), np.empty_like(piece.totals)
    for block, adjustment in found:
        block.put(adjustment.adjusted, adjusted)
        if scaling != "batch":
            block.put(adjusted_advantages(adjustment, scaling, settings), advantages)
    if scaling == "batch":
        for rows, batch in _batches(piece, found):
            is_there = ~np.isnan(batch.redundancy)
            advantages[rows] = adjusted_advantages(batch, scaling, settings)[is_there]
    return adjusted, advantages


def _batches(piece: Piece, found: Found) -> Iterator[tuple[slice, Adjustment]]:
    """Yield whole generation batches; a group smaller than others is filled up with missing totals, which do not count.

    Their redundancy is 0 where there is a completion and NaN where there is none.
    """
    flat = {name: np.empty_like(piece.totals) for name in ("weights", "adjusted", "bonus")}
    for block, adjustment in found:
        bonus = np.zeros(block.rows.shape) if adjustment.bonus is None else adjustment.bonus
        for name, values in (("weights", adjustment.weights), ("adjusted", adjustment.adjusted), ("bonus", bonus)):
            block.put(values, flat[name])
    flat |= {"totals": piece.totals, "redundancy": np.zeros_like(piece.totals)}
    if all(adjustment.bonus is None for _, adjustment in found):
        del flat["bonus"]
    for first, end in pairwise(piece.batches.tolist()):
        rows = slice(int(piece.starts[first]), int(piece.starts[end]))
        is_there = np.arange(piece.sizes[first:end].max()) < piece.sizes[first:end, None]
        padded = {name: np.full(is_there.shape, np.nan) for name in flat}
        for name, values in flat.items():
            padded[name][is_there] = values[rows]
        yield rows, Adjustment(similarity=padded["redundancy"], **padded)
