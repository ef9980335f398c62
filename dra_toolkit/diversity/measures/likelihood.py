"""Measures that read log-probabilities: what the policy was likely to say anyway counts less."""

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option
from dra_toolkit.diversity.measures.shared import right, scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array

TIE = 1e-4
"""Log-probabilities that differ by less are equal: those of one text in two batches do, by rounding."""


def ranks(log_probs: Array) -> Array:
    """Return the rank of each completion, (..., G): 1 the least likely; equal ones share the mean of their ranks."""
    difference = log_probs[..., None, :] - log_probs[..., :, None]
    below = (difference < -TIE).sum(axis=-1)
    equal = (np.abs(difference) <= TIE).sum(axis=-1)
    return below + (equal + 1) / 2


def unlikeliness(signals: Signals, *, strength: float) -> Effect:
    """Multiply by 1 - strength * rank / G; by 1 without a log-probability (NaN). A wrong completion's 0 stays where it is.

    Rewarding the Unlikely (arXiv 2506.02355), ranks by mean log-probability of a token; `strength` is the paper's beta.
    """
    known, G = np.isfinite(signals.log_probs), signals.log_probs.shape[-1]
    rank = ranks(np.where(known, signals.log_probs, np.nan))
    return Effect(weights=np.where(known, 1.0 - strength * rank / G, 1.0))


def ucpo(signals: Signals, *, tau: float) -> Effect:
    """Multiply each of n correct completions by n times the share (1 - tau) / n + tau (1 / q_i) / sum of 1 / q.

    Uniform-correct policy optimization (arXiv 2605.00365). q_i is the probability of a completion's tokens, their
    geometric mean, so that length does not decide. Wrong completions have 1. The factors of the correct ones have a mean
    of 1: their common advantage, as with a reward of 0 or 1, is moved and not changed. A correct completion without a
    log-probability (NaN) counts as an average one.
    """
    correct = signals.correct & ~np.isnan(signals.totals)
    n = correct.sum(axis=-1, keepdims=True)
    surprise = np.where(correct, -less_mean(np.asarray(signals.log_probs, dtype=np.float64), correct), -np.inf)
    largest = np.where(n > 0, surprise.max(axis=-1, keepdims=True), 0.0)
    inverse = np.exp(surprise - largest)
    share = inverse / np.maximum(inverse.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return Effect(weights=np.where(correct, (1.0 - tau) + tau * n * share, 1.0))


def less_mean(values: Array, among: NDArray[np.bool_]) -> Array:
    """Return the values less their mean among some of the group, (..., G); 0 for the others and where it is not finite."""
    known = among & np.isfinite(values)
    mean = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return np.where(known, values - mean, 0.0)


def differential_smoothing(signals: Signals, *, strength: float, wrong: float) -> Effect:
    """Add -strength (log p_i - mean among the right) to right completions, and wrong (log p_i - mean) to wrong ones.

    A reading of arXiv 2511.19942, which smooths the right completions' rewards by their log-probability and treats wrong
    ones otherwise; its page was read in its abstract only. p_i is the probability of the whole completion: its mean
    log-probability times its tokens. The means are taken away so that nothing is added to a side as a whole.
    """
    r = right(signals) > 0
    log_p = signals.log_probs * signals.lengths
    bonus = wrong * less_mean(log_p, ~r & scorable(signals)) - strength * less_mean(log_p, r)
    return Effect(weights=np.ones_like(bonus), bonus=bonus)


MEASURES = {
    "unlikeliness": Measure(
        compute=unlikeliness,
        needs=("log_probs",),
        rule="R_i (1 - strength rank_i / G), rank by mean log-probability, 1 the least likely",
        source="arXiv 2506.02355",
        options=(Option(name="strength", default=0.25, low=0, high=1, meaning="What the likeliest completion loses."),),
    ),
    "ucpo": Measure(
        compute=ucpo,
        needs=("log_probs",),
        rule="correct: A_i n ((1 - tau) / n + tau (1 / q_i) / sum of 1 / q), wrong: A_i",
        source="arXiv 2605.00365",
        acts_on="advantage",
        options=(Option(name="tau", default=0.2, low=0, high=1, meaning="How far towards the unlikely ones."),),
    ),
    "differential_smoothing": Measure(
        compute=differential_smoothing,
        needs=("log_probs", "lengths"),
        rule="right: A_i - strength (log p_i - mean of the right), wrong: A_i + wrong (log p_i - mean of the wrong)",
        source="a reading of arXiv 2511.19942",
        acts_on="advantage",
        acts_by="bonus",
        options=(
            Option(name="strength", default=0.2, low=0, high=1e3, meaning="Per nat, on right completions."),
            Option(name="wrong", default=0, low=-1e3, high=1e3, meaning="Per nat, on wrong completions."),
        ),
    ),
}
