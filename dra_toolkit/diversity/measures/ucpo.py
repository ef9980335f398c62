"""UCPO: the advantage of the correct completions is moved towards the unlikely ones among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals
from dra_toolkit.groups import Array


def ucpo(log_probs: Array, correct: NDArray[np.bool_], *, tau: float) -> Array:
    """Return n times the share (1 - tau) / n + tau (1 / q_i) / sum of 1 / q of each of n correct completions, (..., G).

    Uniform-correct policy optimization (arXiv 2605.00365). q_i is the probability of a completion's tokens, their
    geometric mean, so that length does not decide. Wrong completions have 1. The factors of the correct ones have a mean
    of 1: their common advantage, as with a reward of 0 or 1, is moved and not changed. A correct completion without a
    log-probability (NaN) counts as an average one.
    """
    n = correct.sum(axis=-1, keepdims=True)
    known = correct & ~np.isnan(log_probs)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    mean = np.where(known, log_probs, 0.0).sum(axis=-1, keepdims=True) / count
    surprise = np.where(correct, -np.where(known, log_probs, mean), -np.inf)
    largest = np.where(n > 0, surprise.max(axis=-1, keepdims=True), 0.0)
    inverse = np.exp(surprise - largest)
    share = inverse / np.maximum(inverse.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return np.where(correct, (1.0 - tau) + tau * n * share, 1.0)


def compute(signals: Signals, *, tau: float) -> Effect:
    """Multiply the advantages of the correct completions."""
    assert signals.log_probs is not None
    correct = signals.correct & ~np.isnan(signals.totals)
    return Effect(weights=ucpo(np.asarray(signals.log_probs, dtype=np.float64), correct, tau=tau))


MEASURE = Measure(
    compute=compute,
    needs=("log_probs",),
    rule="correct: A_i n ((1 - tau) / n + tau (1 / q_i) / sum of 1 / q), wrong: A_i",
    source="arXiv 2605.00365",
    acts_on="advantage",
    options=(Option(name="tau", default=0.2, low=0, high=1, meaning="How far towards the unlikely ones."),),
)
