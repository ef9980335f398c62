"""What would have changed: replayed advantages, A', against recorded ones, A, added up as pieces come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import Estimator
from dra_toolkit.groups import Array
from dra_toolkit.inspection.replay.pieces import Piece

NOTHING = 1e-6
"""An advantage, or a difference of two, below it counts as zero: rounding is no change of mind."""
CHANGED = 1e-4
"""A difference of two advantages up to it leaves a group as it is: a trainer's float32 totals, where they are nearly equal,
explain as much."""


@dataclass(kw_only=True)
class Sums:
    """Sums over groups.

    flips           completions for which A and A' have opposite signs
    rank_swaps      pairs of completions of a group, of `pairs`, that A and A' order differently
    changed_groups  groups with an advantage that changed by more than 1e-4
    recorded        sum of |A|; `replayed` of |A'|, `moved` of |A' - A|
    moved_tokens    sum of |A' - A| times the completion's tokens; `recorded_tokens` of |A|
    """

    groups: int = 0
    completions: int = 0
    flips: int = 0
    rank_swaps: int = 0
    pairs: int = 0
    changed_groups: int = 0
    recorded: float = 0.0
    replayed: float = 0.0
    moved: float = 0.0
    recorded_tokens: float = 0.0
    moved_tokens: float = 0.0

    def add(self, other: Sums) -> None:
        """Add other sums to these."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def moved_share(self) -> float:
        """Share of the gradient's weight that moved: sum of |A' - A| over sum of |A|; NaN where all A are zero."""
        return self.moved / self.recorded if self.recorded else float("nan")

    @property
    def moved_share_tokens(self) -> float:
        """The same with each completion weighted by its tokens."""
        return self.moved_tokens / self.recorded_tokens if self.recorded_tokens else float("nan")


@dataclass(frozen=True)
class Place:
    """One completion, and how far its replayed advantage is from the recorded one."""

    step: int
    batch: int
    group: int
    completion: int
    recorded: float
    replayed: float

    @property
    def error(self) -> float:
        """|A' - A|; infinite where the recorded one is no number."""
        error = abs(self.replayed - self.recorded)
        return float("inf") if math.isnan(error) else error


@dataclass(frozen=True)
class ChangedGroup:
    """A group whose advantages changed much: by `moved`, the sum of |A' - A| over its completions."""

    step: int
    batch: int
    group: int
    moved: float
    flips: int


@dataclass(kw_only=True)
class Differences:
    """What changed, of all pieces seen so far.

    groups           those that change most, the most first, at most `top`
    worst            where |A' - A| is largest
    beyond_rounding  completions whose |A' - A| is more than the tolerance and than float32 arithmetic explains
    wrong            where it is largest of these
    """

    top: int = 20
    steps: dict[int, Sums] = field(default_factory=dict)
    worst: Place | None = None
    wrong: Place | None = None
    beyond_rounding: int = 0
    groups: list[ChangedGroup] = field(default_factory=list)

    def total(self) -> Sums:
        """Return the sums over all steps."""
        total = Sums()
        for sums in self.steps.values():
            total.add(sums)
        return total

    def add(
        self, piece: Piece, adjusted: Array, advantages: Array, how: Estimator, *, tolerance: float | None = None
    ) -> None:
        """Take in one piece with its replayed totals and advantages, (N,) each.

        tolerance: what an advantage may be off before it counts as `beyond_rounding`; None where nothing is to agree.
        """
        counts = {name: np.zeros(len(piece.keys)) for name in vars(Sums())}
        for block in piece.blocks:
            before, after = block.of(piece.known_advantages), block.of(advantages)
            for name, values in _counts(before, after, block.of(piece.tokens)).items():
                counts[name][block.groups] = values
        steps, place = np.unique(piece.keys[:, 0], return_inverse=True)
        sums = {name: np.bincount(place, weights=values) for name, values in counts.items()}
        for i, step in enumerate(steps.tolist()):
            of_step = {name: type(nothing)(sums[name][i]) for name, nothing in vars(Sums()).items()}
            self.steps.setdefault(step, Sums()).add(Sums(**of_step))
        error = np.abs(advantages - piece.advantages)
        error[np.isnan(error)] = np.inf
        self.worst = _worse(self.worst, piece, advantages, error)
        self._note_groups(piece, counts["moved"], counts["flips"], counts["changed_groups"] > 0)
        if tolerance is not None and error.max(initial=0.0) > tolerance:
            is_beyond = error > tolerance + _rounding(piece, adjusted, how)
            self.beyond_rounding += int(is_beyond.sum())
            if is_beyond.any():
                self.wrong = _worse(self.wrong, piece, advantages, np.where(is_beyond, error, 0.0))

    def _note_groups(self, piece: Piece, moved: Array, flips: Array, is_changed: NDArray[np.bool_]) -> None:
        if not self.top:
            return
        least = self.groups[-1].moved if len(self.groups) == self.top else 0.0
        better = np.flatnonzero((moved > least) & is_changed)
        better = better[np.argsort(-moved[better], kind="stable")[: self.top]]
        found = [ChangedGroup(*piece.place(g), moved=float(moved[g]), flips=int(flips[g])) for g in better]
        self.groups = sorted([*self.groups, *found], key=lambda group: -group.moved)[: self.top]


def _worse(known: Place | None, piece: Piece, advantages: Array, error: Array) -> Place:
    """Return the place of the largest error, (N,), of a piece, or the one that is known if that is no better."""
    row = int(np.argmax(error))
    if known is not None and known.error >= error[row]:
        return known
    group = int(np.searchsorted(piece.starts, row, side="right")) - 1
    within = row - int(piece.starts[group])
    return Place(*piece.place(group), within, float(piece.advantages[row]), float(advantages[row]))


def _counts(before: Array, after: Array, tokens: Array) -> dict[str, Any]:
    """Return what `Sums` adds up, of each of n groups (n, G)."""
    G = before.shape[1]
    ones = np.ones(G)  # a product with it adds up short rows much faster than a sum along the axis
    distance, size = np.abs(after - before), np.abs(before)
    moved = distance @ ones
    flips: Array = np.zeros(len(before))
    swaps = changed = flips
    if (distance > NOTHING).any():
        flips = ((before * after < 0) & (size > NOTHING) & (np.abs(after) > NOTHING)) @ ones
        swaps, changed = _swaps(before, after, moved), np.sign((distance > CHANGED) @ ones)
    return {
        "groups": 1,
        "completions": G,
        "flips": flips,
        "rank_swaps": swaps,
        "pairs": G * (G - 1) // 2,
        "changed_groups": changed,
        "recorded": size @ ones,
        "replayed": np.abs(after) @ ones,
        "moved": moved,
        "recorded_tokens": (size * tokens) @ ones,
        "moved_tokens": (distance * tokens) @ ones,
    }


def _swaps(before: Array, after: Array, moved: Array) -> Array:
    """Return the pairs of each group, (n,), that the two order differently; unmoved groups have none."""
    swaps = np.zeros(len(before))
    left, right = np.triu_indices(before.shape[1], 1)
    for some in np.array_split(np.flatnonzero(moved > NOTHING), max(1, before.size // 65_536)):
        was, now = (np.take(each[some], left, axis=1) - np.take(each[some], right, axis=1) for each in (before, after))
        is_swapped = (was * now < 0) & (np.abs(was) > NOTHING) & (np.abs(now) > NOTHING)
        swaps[some] = is_swapped @ np.ones(len(left))
    return swaps


def _rounding(piece: Piece, adjusted: Array, how: Estimator) -> Array:
    """Return how far the precision of what was recorded, and of a trainer's totals, may move each advantage, (N,)."""
    starts = piece.starts[piece.batches] if how.scope == "batch" else piece.starts
    counts = np.diff(starts)
    values = np.nan_to_num(adjusted, posinf=0.0, neginf=0.0)
    largest = np.maximum.reduceat(np.abs(values), starts[:-1])
    mean = np.add.reduceat(values, starts[:-1]) / counts
    spread = np.add.reduceat((values - np.repeat(mean, counts)) ** 2, starts[:-1]) / np.maximum(counts - 1, 1)
    scale = np.ones_like(largest) if how.spread == "none" else np.sqrt(spread) + how.epsilon
    return piece.precision * np.repeat(largest / scale, counts) * (1 + np.abs(piece.known_advantages))
