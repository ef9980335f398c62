"""Leave-one-out baseline: each completion against the mean of the others of its group."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Signals, replacement
from dra_toolkit.groups import Array


def leave_one_out(totals: Array) -> Array:
    """Return R_i minus the mean of the other totals, (..., G); 0 without a total, or alone with one.

    RLOO (arXiv 2402.14740). It is n / (n - 1) times the total less the group's mean: Dr. GRPO's advantage by a constant.
    """
    known = ~np.isnan(totals)
    n = known.sum(axis=-1, keepdims=True)
    values = np.where(known, totals, 0.0)
    others = (values.sum(axis=-1, keepdims=True) - values) / np.maximum(n - 1, 1)
    return np.where(known & (n > 1), values - others, 0.0)


def compute(signals: Signals) -> Effect:
    """Replace each advantage."""
    return replacement(leave_one_out(signals.totals))


MEASURE = Measure(
    compute=compute,
    needs=(),
    rule="R_i - mean of the other R",
    source="arXiv 2402.14740",
    acts_on="advantage",
    acts_by="replacement",
)
