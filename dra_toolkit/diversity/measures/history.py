"""A gate and a baseline from the prompt's own history: what its earlier groups say of how likely a right answer is."""

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, objective
from dra_toolkit.diversity.measures.shared import counts, replacement, right, scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array

DISCOUNT = Option(name="discount", default=0.5, low=0, high=1, meaning="What earlier visits count for at each new one.")


def gate(history: Array, k: float) -> Array:
    """Return k E[(1 - p)^(k - 1)], (...,), for p ~ Beta(1 + right, 1 + wrong) and a history (..., 2).

    The posterior mean of the gain of pass@k per gain of p: 1 for a prompt that was never seen, up to k where it was always
    answered wrong, and towards 0 where it is solved anyway.
    """
    a, b = 1.0 + history[..., 0], 1.0 + history[..., 1]
    found = np.full(a.shape, float(int(k)))
    for j in range(int(k) - 1):
        found = found * (b + j) / (a + b + j)
    return found


def _gate(signals: Signals, *, k: float, discount: float) -> Effect:
    """Multiply the advantages of the group. A reading of arXiv 2606.15455, which updates by that posterior."""
    return Effect(weights=gate(signals.history, k))


def _baseline(signals: Signals, *, discount: float) -> Effect:
    """Replace each advantage by r less the posterior mean of p from all but the completion itself.

    p ~ Beta(1 + right, 1 + wrong) of the discounted history and of the other completions of the group, so that the baseline
    does not depend on what it is taken from. A reading of arXiv 2603.18444.
    """
    r, (n, c) = right(signals), counts(signals)
    successes = 1.0 + signals.history[..., 0] + c - r
    total = 2.0 + signals.history.sum(axis=-1) + n - 1.0
    return replacement(np.where(scorable(signals), r - successes / total, 0.0))


MEASURES = {
    "history_gate": Measure(
        compute=_gate,
        needs=("history",),
        rule="A_i k E[(1 - p)^(k - 1)], p ~ Beta(1 + right, 1 + wrong) of the prompt's earlier groups",
        source="a reading of arXiv 2606.15455",
        acts_on="advantage",
        options=(
            Option(name="k", default=8, low=1, high=1024, meaning="Samples of which one must be right."),
            DISCOUNT,
        ),
    ),
    "history_baseline": objective(
        compute=_baseline,
        needs=("history",),
        rule="r_i - E[p], p ~ Beta(1 + right, 1 + wrong) of the prompt's earlier groups and of the others of this one",
        source="a reading of arXiv 2603.18444",
        reads_right=True,
        options=(DISCOUNT,),
    ),
}
