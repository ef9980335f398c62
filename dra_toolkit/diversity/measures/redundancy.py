"""How much of a completion the rest of its group already says: dividing by it, or adding what the group would lose."""

import numpy as np

from dra_toolkit.diversity.measures.interface import Effect, Measure, Option
from dra_toolkit.diversity.measures.shared import redundancy_effect
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.groups import Array

RIDGE = Option(name="ridge", default=0.1, low=1e-6, high=1e6, meaning="Added to the kernel's diagonal.")
SCALE = Option(name="scale", default=0.1, low=0, high=1e6, meaning="Factor on what is added.")


def graph_cut(similarity: Array) -> Array:
    """Return the graph-cut mutual information of each completion with the others: sum over j != i of S_ij, (..., G).

    DRA-GRPO's measure, arXiv 2505.09655, equation for SMI. In the terms of submodular information measures
    (arXiv 2006.15412) it is the graph-cut mutual information of {i} and the rest, with 2 * lambda = 1. Divided by 1 + it,
    G copies have 1/G, a completion unlike all others 1.
    """
    diagonal = np.diagonal(similarity, axis1=-2, axis2=-1)
    return similarity.sum(axis=-1, dtype=np.float64) - diagonal


def facility_location(similarity: Array) -> Array:
    """Return the similarity of each completion to the one most like it, max over j != i of S_ij, (..., G).

    The facility-location mutual information of {i} and the rest where completion i is what is to be represented (Iyer et
    al., arXiv 2006.15412). With the whole group to be represented it would be this maximum plus the graph cut. 0 for a
    group of one. One copy and seven copies cost the same: a weight of 1/2.
    """
    G = similarity.shape[-1]
    if G < 2:
        return np.zeros(similarity.shape[:-1])
    others = np.where(np.eye(G, dtype=bool), -np.inf, similarity)
    return others.max(axis=-1).astype(np.float64)


def inverse_diagonal(kernel: Array, ridge: float) -> Array:
    """Return the diagonal of (K + ridge * identity)^-1, (..., G), for positive semi-definite kernels (..., G, G).

    By Cramer's rule its entry i is det(K without i) / det(K), ridge included: what one completion adds to the volume.
    Between 1 / (G + ridge) and 1 / ridge; where rounding of the kernel leads out of that, its negative eigenvalues count
    as 0.
    """
    K = np.array(kernel, dtype=np.float64)
    G = K.shape[-1]
    K[..., np.arange(G), np.arange(G)] += ridge
    try:
        found = np.array(np.diagonal(np.linalg.inv(K), axis1=-2, axis2=-1))
    except np.linalg.LinAlgError:
        return _clipped_inverse_diagonal(kernel, ridge)
    broken = ~((found > 0.5 / (G + ridge)) & (found < 2.0 / ridge)).all(axis=-1)
    if broken.any():
        found[broken] = _clipped_inverse_diagonal(np.asarray(kernel)[broken], ridge)
    return found


def _clipped_inverse_diagonal(kernel: Array, ridge: float) -> Array:
    values, vectors = np.linalg.eigh(np.asarray(kernel, dtype=np.float64))
    return (np.square(vectors) / (np.maximum(values, 0.0) + ridge)[..., None, :]).sum(axis=-1)


def log_det(kernel: Array, *, ridge: float = RIDGE.default) -> Array:
    """Return log det K_rest + log K_ii - log det K, (..., G), for K = kernel + ridge * identity.

    The log-determinant mutual information of {i} and the rest (Iyer et al., arXiv 2006.15412): that of a Gaussian process
    with the kernel as its covariance and noise of variance `ridge`. Two completions of similarity s have
    -log(1 - (s / (1 + ridge))^2). Negative similarities count as much as positive ones. G copies have
    log((1 + ridge) (G - 1 + ridge) / (ridge (G + ridge))), 2.27 for G = 8, so repeats cost less than with graph cut.
    """
    return np.log(np.maximum((1.0 + ridge) * inverse_diagonal(kernel, ridge), 1.0))


def lost_volume(kernel: Array, *, ridge: float) -> Array:
    """Return log det K - log det K_rest, (..., G), for K = kernel + ridge * identity: what the group loses without i.

    DQO (arXiv 2509.04784) adds alpha * log det K to the rewards. That is one number for a whole group, which the group's
    mean would take away again; what is added here is each completion's part in it. From log(1 + ridge) for a completion
    unlike all others to about log(ridge) for copies. With a ridge of 1 it is the marginal contribution of SetPO
    (arXiv 2602.01062), with the set function log det(identity + S): from log 2 down to log((G + 1) / G) for G copies: it
    lifts every completion, the novel ones most.
    """
    return -np.log(inverse_diagonal(kernel, ridge))


def _added(signals: Signals, *, scale: float, ridge: float) -> Effect:
    part = lost_volume(signals.kernel, ridge=ridge)
    return Effect(weights=np.ones_like(part), bonus=scale * part)


MEASURES = {
    "graph_cut": Measure(
        compute=lambda signals: redundancy_effect(graph_cut(signals.similarity)),
        needs=("similarity",),
        rule="R_i / (1 + sum over j != i of S_ij)",
        source="arXiv 2505.09655",
        in_slices=True,
    ),
    "log_det": Measure(
        compute=lambda signals, ridge: redundancy_effect(log_det(signals.kernel, ridge=ridge)),
        needs=("similarity",),
        rule="R_i / (1 + SMI_i), SMI_i = log det K_rest + log K_ii - log det K, K = S + ridge I",
        source="arXiv 2006.15412",
        options=(RIDGE,),
        in_slices=True,
    ),
    "facility_location": Measure(
        compute=lambda signals: redundancy_effect(facility_location(signals.similarity)),
        needs=("similarity",),
        rule="R_i / (1 + max over j != i of S_ij)",
        source="arXiv 2006.15412",
        in_slices=True,
    ),
    "set_utility": Measure(
        compute=lambda signals, scale: _added(signals, scale=scale, ridge=1.0),
        needs=("similarity",),
        rule="A_i + scale (D(group) - D(group without i)), D(X) = log det(I + S_X)",
        source="arXiv 2602.01062",
        acts_by="bonus",
        acts_on="advantage",
        options=(SCALE,),
    ),
    "dqo": Measure(
        compute=_added,
        needs=("similarity",),
        rule="R_i + scale (log det K - log det K_rest), K = S + ridge I",
        source="arXiv 2509.04784",
        acts_by="bonus",
        options=(SCALE, RIDGE),
    ),
}
