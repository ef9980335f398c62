"""MaxRL: the rarer a success is for a prompt, the more it counts; and the same with rarity among the right ones.

Maximum likelihood reinforcement learning (arXiv 2602.02710) averages the score functions of the right completions alone,
which estimates the gradient of log pass rate, truncated at the order n; with the mean score as control variate the
advantage is (r - m) / m. The compositions weigh that average: a right completion that is rare among the right ones counts
more, so that rarity of the prompt is multiplied by rarity of the completion. No paper has them that we know of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dra_toolkit.diversity.measures.graph_cut import graph_cut
from dra_toolkit.diversity.measures.interface import Effect, Measure, Option, Signals, replacement
from dra_toolkit.diversity.measures.right import counts, right, scorable, shared_among_right
from dra_toolkit.diversity.measures.unlikeliness import ranks
from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Array


def maxrl(r: Array, n: Array) -> Array:
    """Return (r_i - m) / m, (..., G), for r of mean m = sum of r / n; 0 where m is 0.

    r   (..., G) 1 for right completions and 0 for the others, or weights that are their rarities among the right ones
    n   (..., 1) completions of the group that count
    """
    m = r.sum(axis=-1, keepdims=True) / np.maximum(n, 1.0)
    return np.divide(r - m, m, out=np.zeros_like(r), where=m > 0)


def _effect(signals: Signals, rarity: Array | None = None) -> Effect:
    r, (n, _) = right(signals), counts(signals)
    shared = r if rarity is None else shared_among_right(rarity, r)
    return replacement(np.where(scorable(signals), maxrl(shared, n), 0.0))


def compute(signals: Signals) -> Effect:
    """Replace each advantage."""
    return _effect(signals)


def compute_graph_cut(signals: Signals) -> Effect:
    """Weigh the right completions by 1 / (1 + sum of the similarities to the other right ones)."""
    r = right(signals)
    among = signals.similarity * (r[..., :, None] * r[..., None, :])
    return _effect(signals, redundancy_weights(graph_cut(among)))


def compute_labels(signals: Signals) -> Effect:
    """Weigh the right completions by 1 / how many right ones share the label: every cluster counts the same."""
    assert signals.labels is not None
    r = right(signals)
    same = signals.labels[..., :, None] == signals.labels[..., None, :]
    return _effect(signals, 1.0 / np.maximum((same * r[..., None, :]).sum(axis=-1), 1.0))


def compute_log_probs(signals: Signals, *, strength: float) -> Effect:
    """Weigh the right completions by 1 - strength rank / c, rank 1 the least likely of c; without one, by the mean."""
    assert signals.log_probs is not None
    r = right(signals)
    known = (r > 0) & ~np.isnan(signals.log_probs)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    rank = ranks(np.where(known, signals.log_probs, 1.0))  # above every log-probability: the others take no rank
    rarity = 1.0 - strength * np.where(known, rank, (count + 1) / 2) / count
    return _effect(signals, np.maximum(rarity, 0.0))


def _measure(compute: Callable[..., Effect], needs: tuple[str, ...], rule: str, *options: Option) -> Measure:
    return Measure(
        compute=compute,
        needs=needs,
        rule=rule,
        source="arXiv 2602.02710",
        acts_on="advantage",
        acts_by="replacement",
        reads_right=True,
        options=options,
    )


RULE = "right: w_i / m - 1, wrong: -1, 0 if m = 0; w_i ~ {}, of mean 1 among the right ones"
STRENGTH = Option(name="strength", default=0.5, low=0, high=1, meaning="What the likeliest right one loses.")

MEASURE = _measure(compute, (), "(r_i - m) / m, 0 if m = 0; r_i 1 if right else 0, m its mean")
GRAPH_CUT = _measure(compute_graph_cut, ("similarity",), RULE.format("1 / (1 + sum over right j != i of S_ij)"))
LABELS = _measure(compute_labels, ("labels",), RULE.format("1 / c_i, c_i right ones in its cluster"))
LOG_PROBS = _measure(
    compute_log_probs,
    ("log_probs",),
    RULE.format("1 - strength rank_i / c, rank 1 the least likely of c right ones"),
    STRENGTH,
)
