"""A score in the reward's place: right and wrong completions in two bands, the novel ones higher in theirs (EVOL)."""

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option
from dra_toolkit.diversity.measures.shared import scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array

LOWEST_CORRECT, LOWEST_WRONG, WIDTH = 0.5, -1.0, 0.5
EQUAL = 1e-6
"""Novelties that differ by less do so by rounding alone."""


def novelty(similarity: Array, same: NDArray[np.bool_], *, share: float) -> Array:
    """Return 1 - (share * mean similarity to its own side + (1 - share) * largest similarity to any), (..., G).

    same        (..., G, G): whether two completions are on the same side, correct or wrong, or neither.
    A completion alone on its side has a mean of 0, one alone in its group a largest similarity of 0.
    """
    S = np.asarray(similarity, dtype=np.float64)
    G = S.shape[-1]
    itself = np.eye(G, dtype=bool)
    peers = same & ~itself
    count = peers.sum(axis=-1)
    mean = np.where(peers, S, 0.0).sum(axis=-1) / np.maximum(count, 1)
    largest = np.where(itself, -np.inf, S).max(axis=-1) if G > 1 else np.zeros(S.shape[:-1])
    return 1.0 - (share * mean + (1.0 - share) * largest)


def evol(signals: Signals, *, share: float) -> Array:
    """Return the banded reward of each completion, (..., G); NaN without a total.

    EVOL-RL (arXiv 2509.15194): novelty scaled to [0, 1] among the correct and among the wrong, then correct completions
    get 0.5 + novelty / 2 and wrong ones -1 + novelty / 2: a wrong one never overtakes a correct one. Where all novelties
    of a side are equal, they get the lower end. The paper's sides are majority and minority answers.
    """
    known = scorable(signals)
    correct, wrong = signals.correct & known, ~signals.correct & known
    same = (correct[..., :, None] & correct[..., None, :]) | (wrong[..., :, None] & wrong[..., None, :])
    found = novelty(signals.similarity, same, share=share)
    low = np.where(same, found[..., None, :], np.inf).min(axis=-1)
    high = np.where(same, found[..., None, :], -np.inf).max(axis=-1)
    spread = high - low
    scaled = np.divide(found - low, spread, out=np.zeros_like(found), where=known & (spread > EQUAL))
    return np.where(known, np.where(correct, LOWEST_CORRECT, LOWEST_WRONG) + WIDTH * scaled, np.nan)


def _evol(signals: Signals, *, share: float) -> Effect:
    banded = evol(signals, share=share)
    return Effect(weights=np.ones_like(banded), bonus=banded - signals.totals)


MEASURES = {
    "evol": Measure(
        compute=_evol,
        needs=("similarity",),
        rule="correct: 0.5 + n_i / 2, wrong: -1 + n_i / 2, n_i novelty scaled to [0, 1] on its side",
        source="arXiv 2509.15194",
        acts_by="bonus",
        options=(
            Option(name="share", default=0.5, low=0, high=1, meaning="Mean similarity's share against the largest."),
        ),
    ),
}
