"""W-REINFORCE: wrong completions are pushed down at full weight, right ones up at a small one, without a baseline."""

from __future__ import annotations

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.diversity.measures.right import right, scorable


def compute(signals: Signals, *, positive: float) -> Effect:
    """Replace each advantage: `positive` for a right completion, -1 for a wrong one (arXiv 2506.01347).

    Negative sample reinforcement keeps what the policy knows besides its mistakes. Nothing is taken away from a group that
    is all right or all wrong, so the policy goes on moving there, and large steps unlearn the format.
    """
    return replacement(np.where(scorable(signals), np.where(right(signals) > 0, positive, -1.0), 0.0))


MEASURE = Measure(
    compute=compute,
    needs=(),
    rule="right: positive, wrong: -1",
    source="arXiv 2506.01347",
    acts_on="advantage",
    acts_by="replacement",
    reads_right=True,
    options=(Option(name="positive", default=0.1, low=0, high=1, meaning="Advantage of a right completion."),),
)
