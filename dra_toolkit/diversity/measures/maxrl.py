"""MaxRL in the advantage's place, and its compositions with what makes a right completion rare.

Maximum likelihood reinforcement learning (arXiv 2602.02710) averages the score functions of the right completions alone,
which estimates the gradient of log pass rate, truncated at the order n; with the mean score as control variate the
advantage is (r - m) / m. The compositions weigh that average: a right completion that is rare among the right ones counts
more, so that rarity of the prompt is multiplied by rarity of the completion. No paper has them that we know of.
"""

import functools

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Option, objective
from dra_toolkit.diversity.measures.likelihood import ranks
from dra_toolkit.diversity.measures.redundancy import graph_cut
from dra_toolkit.diversity.measures.shared import counts, replacement, right, scorable
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.diversity.weights import redundancy_weights
from dra_toolkit.groups import Array


def maxrl(r: Array, n: Array) -> Array:
    """Return (r_i - m) / m, (..., G), for r of mean m = sum of r / n; 0 where m is 0.

    r   (..., G) 1 for right completions and 0 for the others, or weights that are their rarities among the right ones
    n   (..., 1) completions of the group that count
    """
    m = r.sum(axis=-1, keepdims=True) / np.maximum(n, 1.0)
    return np.divide(r - m, m, out=np.zeros_like(r), where=m > 0)


def shared_among_right(rarity: Array, r: Array) -> Array:
    """Return the rarity, (..., G), scaled to a mean of 1 among the right completions; 0 for the others.

    Who gains and who loses among the right ones follows from it, and what they get together does not.
    """
    kept = np.where(r > 0, rarity, 0.0)
    mean = kept.sum(axis=-1, keepdims=True) / np.maximum(r.sum(axis=-1, keepdims=True), 1.0)
    return np.divide(kept, mean, out=r.copy(), where=mean > 0)


def _maxrl(signals: Signals, rarity: Array | None = None) -> Effect:
    r, (n, _) = right(signals), counts(signals)
    shared = r if rarity is None else shared_among_right(rarity, r)
    return replacement(np.where(scorable(signals), maxrl(shared, n), 0.0))


def _maxrl_graph_cut(signals: Signals) -> Effect:
    r = right(signals)
    among = signals.similarity * (r[..., :, None] * r[..., None, :])
    return _maxrl(signals, redundancy_weights(graph_cut(among)))


def _maxrl_labels(signals: Signals) -> Effect:
    same = signals.labels[..., :, None] == signals.labels[..., None, :]
    return _maxrl(signals, 1.0 / np.maximum((same * right(signals)[..., None, :]).sum(axis=-1), 1.0))


def _maxrl_log_probs(signals: Signals, *, strength: float) -> Effect:
    """Weigh the right completions by 1 - strength rank / c, rank 1 the least likely of c; without one, by the mean."""
    known = (right(signals) > 0) & np.isfinite(signals.log_probs)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    rank = ranks(np.where(known, signals.log_probs, 1.0))  # above every log-probability: the others take no rank
    rarity = 1.0 - strength * np.where(known, rank, (count + 1) / 2) / count
    return _maxrl(signals, np.maximum(rarity, 0.0))


_composition = functools.partial(objective, source="arXiv 2602.02710", reads_right=True)
RULE = "right: w_i / m - 1, wrong: -1, 0 if m = 0; w_i ~ {}, of mean 1 among the right ones"

MEASURES = {
    "maxrl": _composition(compute=_maxrl, rule="(r_i - m) / m, 0 if m = 0; r_i 1 if right else 0, m its mean"),
    "maxrl_graph_cut": _composition(
        compute=_maxrl_graph_cut, needs=("similarity",), rule=RULE.format("1 / (1 + sum over right j != i of S_ij)")
    ),
    "maxrl_labels": _composition(
        compute=_maxrl_labels, needs=("labels",), rule=RULE.format("1 / c_i, c_i right ones in its cluster")
    ),
    "maxrl_log_probs": _composition(
        compute=_maxrl_log_probs,
        needs=("log_probs",),
        rule=RULE.format("1 - strength rank_i / c, rank 1 the least likely of c right ones"),
        options=(Option(name="strength", default=0.5, low=0, high=1, meaning="What the likeliest right one loses."),),
    ),
}
