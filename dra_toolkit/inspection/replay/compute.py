"""Adjusted totals and advantages of recorded groups under given settings: the trainer's own functions, on many at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dra_toolkit.diversity import (
    DiversitySettings,
    Estimator,
    Scaling,
    adjust_signals,
    adjusted_advantages,
    estimator_of,
    padded_adjustment,
)
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array
from dra_toolkit.inspection.replay.pieces import Block, Piece

MISSING = "embedder=hash, or the run's own, embeds the texts anew"

Found = list[tuple[Block, Adjustment]]
"""Groups of a piece, and what was made of them; together, all groups."""


def advantages_of(piece: Piece, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return the adjusted totals and the advantages, (N,) each, of a piece under other settings."""
    if settings.adjusts:
        return flattened(piece, adjustments(piece, settings), settings, how)
    ones = np.ones((1, 1))  # nobody looks at what is not used, and it would cost most of the time
    plain = [
        (
            block,
            Adjustment(similarity=ones, redundancy=ones, weights=np.ones_like(totals), totals=totals, adjusted=totals),
        )
        for block, totals in ((block, block.of(piece.totals)) for block in piece.blocks)
    ]
    return flattened(piece, plain, settings, how)


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


def flattened(piece: Piece, found: Found, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return adjusted totals and advantages, (N,) each, in the order of the piece."""
    adjusted, advantages = np.empty_like(piece.totals), np.empty_like(piece.totals)
    of_batch = estimator_of(how).scope == "batch"
    for block, adjustment in found:
        block.put(adjustment.adjusted, adjusted)
        if not of_batch:
            block.put(adjusted_advantages(adjustment, how, settings), advantages)
    if of_batch:
        flat = _flat(piece, found)
        for first, end in pairwise(piece.batches.tolist()):
            rows = slice(int(piece.starts[first]), int(piece.starts[end]))
            numbers = {name: values[rows] for name, values in flat.items()}
            whole, is_there = padded_adjustment(numbers, piece.sizes[first:end])
            advantages[rows] = adjusted_advantages(whole, how, settings)[is_there]
    return adjusted, advantages


def _flat(piece: Piece, found: Found) -> dict[str, Array]:
    """Return weights and totals, and the bonus where there is one, (N,) each."""
    flat = {name: np.empty_like(piece.totals) for name in ("weights", "adjusted", "bonus")}
    for block, adjustment in found:
        bonus = np.zeros(block.rows.shape) if adjustment.bonus is None else adjustment.bonus
        for name, values in (("weights", adjustment.weights), ("adjusted", adjustment.adjusted), ("bonus", bonus)):
            block.put(values, flat[name])
    if all(adjustment.bonus is None for _, adjustment in found):
        del flat["bonus"]
    return {**flat, "totals": piece.totals}
