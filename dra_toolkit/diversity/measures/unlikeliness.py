"""Unlikeliness: what the policy was likely to say anyway is rewarded less."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals
from dra_toolkit.groups import Array

TIE = 1e-4
"""Log-probabilities that differ by less are equal: those of one text in two batches do, by rounding."""


def ranks(log_probs: Array) -> Array:
    """Return the rank of each completion, (..., G): 1 the least likely; equal ones share the mean of their ranks."""
    difference = log_probs[..., None, :] - log_probs[..., :, None]
    below = (difference < -TIE).sum(axis=-1)
    equal = (np.abs(difference) <= TIE).sum(axis=-1)
    return below + (equal + 1) / 2


def unlikeliness(log_probs: Array, *, strength: float) -> Array:
    """Return 1 - strength * rank / G, (..., G); 1 for a completion without a log-probability (NaN).

    Rewarding the Unlikely (arXiv 2506.02355), ranks by mean log-probability of a token; `strength` is the paper's beta.
    """
    known = ~np.isnan(log_probs)
    return np.where(known, 1.0 - strength * ranks(log_probs) / log_probs.shape[-1], 1.0)


def compute(signals: Signals, *, strength: float) -> Effect:
    """Multiply the total: a wrong completion with a reward of 0 stays where it is."""
    assert signals.log_probs is not None
    return Effect(weights=unlikeliness(signals.log_probs, strength=strength))


MEASURE = Measure(
    compute=compute,
    needs=("log_probs",),
    rule="R_i (1 - strength rank_i / G), rank by mean log-probability, 1 the least likely",
    source="arXiv 2506.02355",
    options=(Option(name="strength", default=0.25, low=0, high=1, meaning="What the likeliest completion loses."),),
)
