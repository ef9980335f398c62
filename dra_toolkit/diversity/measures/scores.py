"""Measures that put a score of their own in the reward's place: picked one by one (MMR), or in two bands (EVOL)."""

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, scorable
from dra_toolkit.diversity.measures.redundancy import graph_cut
from dra_toolkit.groups import Array

TIE = 1e-9
"""Candidates whose scores differ by less are equal."""
ALIKE = 1e-5
"""Sums of similarities that differ by less do so by rounding alone."""


def mmr(similarity: Array, totals: Array, *, trade_off: float) -> tuple[Array, Array]:
    """Return scores, and similarities to the nearest completion picked before, both (..., G).

    MMR-GRPO (arXiv 2601.09085) after Carbonell and Goldstein 1998: pick the completion of the largest
    trade_off * R_i - (1 - trade_off) * max over picked j of S_ij, which becomes its reward; the first has nothing to
    subtract. The paper sets the trade-off from the spread of the rewards; here it is a number.

    Among equal candidates the one with the least graph-cut redundancy comes first, then the one with the least
    `_signature`. Completions that nothing tells apart, such as copies, or two in a group of two, share the mean of their
    scores, so that none gains from its place. A completion without a total (NaN) is picked last.
    """
    S = np.asarray(similarity, dtype=np.float64)
    relevance = np.where(np.isnan(totals), -np.inf, trade_off * totals)
    redundancy = graph_cut(S)
    signature = _signature(S, redundancy, relevance)
    nearest = np.zeros_like(relevance)
    penalty = np.zeros_like(relevance)
    left = np.ones(relevance.shape, dtype=bool)
    for turn in range(relevance.shape[-1]):
        gain = np.where(left, relevance - (1 - trade_off) * nearest, -np.inf)
        best = left & (gain >= gain.max(axis=-1, keepdims=True) - TIE)
        least = np.where(best, redundancy, np.inf)
        best &= least <= least.min(axis=-1, keepdims=True) + ALIKE
        picked = np.where(best, signature, np.inf).argmin(axis=-1)[..., None]
        np.put_along_axis(penalty, picked, np.take_along_axis(nearest, picked, axis=-1), axis=-1)
        np.put_along_axis(left, picked, False, axis=-1)
        to_picked = np.take_along_axis(S, picked[..., None], axis=-1)[..., 0]
        nearest = to_picked if turn == 0 else np.maximum(nearest, to_picked)
    alike = (relevance[..., :, None] == relevance[..., None, :]) & _close(redundancy) & _close(signature)
    penalty = (alike * penalty[..., None, :]).sum(axis=-1) / alike.sum(axis=-1)
    return trade_off * totals - (1 - trade_off) * penalty, penalty


def _signature(S: Array, redundancy: Array, relevance: Array) -> Array:
    """Return a number for each completion, (..., G), that is the same whatever the order of the group.

    It sums up what a completion is similar to, what its total is, and the same of those that it is similar to, so that two
    completions agree in it only if nothing tells them apart.
    """
    rank = (relevance[..., None, :] < relevance[..., :, None]).sum(axis=-1)
    own = redundancy + np.sqrt(2.0) * np.square(S).sum(axis=-1) + np.sqrt(3.0) * rank
    return own + (np.square(S) * np.sin(own)[..., None, :]).sum(axis=-1)


def _close(values: Array) -> NDArray[np.bool_]:
    return np.abs(values[..., :, None] - values[..., None, :]) <= ALIKE


def _mmr(signals: Signals, *, trade_off: float) -> Effect:
    scores, nearest = mmr(signals.similarity, signals.totals, trade_off=trade_off)
    return Effect(weights=np.ones_like(scores), bonus=scores - signals.totals, redundancy=nearest)


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
    "mmr": Measure(
        compute=_mmr,
        needs=("similarity",),
        rule="greedily, t R_i - (1 - t) max over picked j of S_ij",
        source="arXiv 2601.09085",
        acts_by="bonus",
        options=(Option(name="trade_off", default=0.7, low=0, high=1, meaning="Share of reward against similarity."),),
    ),
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
