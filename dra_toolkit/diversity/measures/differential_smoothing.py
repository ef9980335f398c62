"""Differential smoothing: right completions get more advantage the less likely they were, wrong ones the likelier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals
from dra_toolkit.diversity.measures.right import right, scorable
from dra_toolkit.groups import Array


def less_mean(values: Array, among: NDArray[np.bool_]) -> Array:
    """Return the values less their mean among some of the group, (..., G); 0 for the others and where a value is NaN."""
    known = among & ~np.isnan(values)
    mean = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return np.where(known, values - mean, 0.0)


def compute(signals: Signals, *, strength: float, wrong: float) -> Effect:
    """Add -strength (log p_i - mean among the right) to right completions, and wrong (log p_i - mean) to wrong ones.

    A reading of arXiv 2511.19942, which smooths the right completions' rewards by their log-probability and treats wrong
    ones otherwise; its page was read in its abstract only. p_i is the probability of the whole completion: its mean
    log-probability times its tokens. The means are taken away so that nothing is added to a side as a whole.
    """
    assert signals.log_probs is not None
    assert signals.lengths is not None
    r = right(signals) > 0
    log_p = signals.log_probs * signals.lengths
    bonus = wrong * less_mean(log_p, ~r & scorable(signals)) - strength * less_mean(log_p, r)
    return Effect(weights=np.ones_like(bonus), bonus=bonus)


MEASURE = Measure(
    compute=compute,
    needs=("log_probs", "lengths"),
    rule="right: A_i - strength (log p_i - mean of the right), wrong: A_i + wrong (log p_i - mean of the wrong)",
    source="a reading of arXiv 2511.19942",
    acts_on="advantage",
    acts_by="bonus",
    options=(
        Option(name="strength", default=0.2, low=0, high=1e3, meaning="Per nat, on right completions."),
        Option(name="wrong", default=0, low=-1e3, high=1e3, meaning="Per nat, on wrong completions."),
    ),
)
