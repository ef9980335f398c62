"""Objectives that take the place of the advantage, from totals alone: W-REINFORCE, the leave-one-out baseline."""

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Option, objective
from dra_toolkit.diversity.measures.shared import replacement, right, scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array


def w_reinforce(signals: Signals, *, positive: float) -> Effect:
    """Give `positive` to a right completion, -1 to a wrong one, without a baseline (arXiv 2506.01347).

    Negative sample reinforcement keeps what the policy knows besides its mistakes. Nothing is taken away from a group that
    is all right or all wrong, so the policy goes on moving there, and large steps unlearn the format.
    """
    return replacement(np.where(scorable(signals), np.where(right(signals) > 0, positive, -1.0), 0.0))


def leave_one_out(totals: Array) -> Array:
    """Return R_i minus the mean of the other totals, (..., G); 0 without a total, or alone with one.

    RLOO (arXiv 2402.14740). It is n / (n - 1) times the total less the group's mean: Dr. GRPO's advantage by a constant.
    """
    known = ~np.isnan(totals)
    n = known.sum(axis=-1, keepdims=True)
    values = np.where(known, totals, 0.0)
    others = (values.sum(axis=-1, keepdims=True) - values) / np.maximum(n - 1, 1)
    return np.where(known & (n > 1), values - others, 0.0)


MEASURES = {
    "w_reinforce": objective(
        compute=w_reinforce,
        rule="right: positive, wrong: -1",
        source="arXiv 2506.01347",
        reads_right=True,
        options=(Option(name="positive", default=0.1, low=0, high=1, meaning="Advantage of a right completion."),),
    ),
    "leave_one_out": objective(
        compute=lambda signals: replacement(leave_one_out(signals.totals)),
        rule="R_i - mean of the other R",
        source="arXiv 2402.14740",
    ),
}
