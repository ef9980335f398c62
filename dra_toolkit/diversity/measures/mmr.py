"""A score in the reward's place: completions picked one by one, each less its similarity to those before (MMR)."""

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option
from dra_toolkit.diversity.measures.redundancy import graph_cut
from dra_toolkit.diversity.measures.signals import Signals
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


MEASURES = {
    "mmr": Measure(
        compute=_mmr,
        needs=("similarity",),
        rule="greedily, t R_i - (1 - t) max over picked j of S_ij",
        source="arXiv 2601.09085",
        acts_by="bonus",
        options=(Option(name="trade_off", default=0.7, low=0, high=1, meaning="Share of reward against similarity."),),
    ),
}
