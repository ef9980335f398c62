"""What makes the advantages that a source holds of its rewards: whose way it is, and which weights the rewards have.

Weights w of centred rewards C, a row for each completion, satisfy C w = d a with the advantages a: d is 1 where nothing is
divided by, else the standard deviation of the group or batch. Of all w that do, those closest to what was believed so far
are tried, and believed only where an estimator gives the advantages as they were written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product

import numpy as np

from dra_toolkit.diversity import ESTIMATORS, Estimator, fitting_estimator, group_advantages, total_rewards
from dra_toolkit.groups import Array
from dra_toolkit.runs.importers.rollout import Rollout

AGREES = (1e-6, 1e-5, 1e-4, 1e-3)
"""How far written advantages may be from computed ones, as a share of the largest: some dumps are rounded."""
SMALL = 1e-8
"""Squared singular value of rewards brought to size 1 below which a direction is nothing but rounding."""
Fitted = tuple[str, Estimator] | None


class Fitting:
    """What makes the advantages of a source, learnt from one batch after the other.

    weights  reward -> factor in the total
    found    whether the weights were found from the advantages; else they are as given, 1 where nothing was
    """

    def __init__(self, engine: str, weights: Mapping[str, float] | None = None, *, may_search: bool = True) -> None:
        self.weights, self.found = dict(weights or {}), False
        self._engine, self._may_search = engine.replace("-", "_"), may_search

    def __str__(self) -> str:
        known = ", ".join(f"{name} {factor:.4g}" for name, factor in self.weights.items())
        return f"{known}, found from the advantages"

    def __call__(self, groups: Sequence[Sequence[Rollout]]) -> Fitted:
        """Return name and estimator that give the advantages of a batch, the exactest first; None if none is known to."""
        self.weights |= {name: 1.0 for group in groups for name in group[0].rewards if name not in self.weights}
        if not varied(groups):
            return None
        numbers = rewards_of(groups, list(self.weights))
        rewards, advantages = numbers[..., :-1], numbers[..., -1]

        def fit(factors: Array, tolerances: Sequence[float] = AGREES) -> Fitted:
            totals = total_rewards(rewards, factors)
            return fitting_estimator(totals, advantages, first=self._engine, tolerances=tolerances)

        believed = np.array(list(self.weights.values()))
        if (found := fit(believed)) is not None or not self._may_search:
            return found
        for made in sorted(dict.fromkeys(ESTIMATORS.values()), key=lambda one: one != ESTIMATORS.get(self._engine)):
            factors = solved(rewards, advantages, made, believed)
            exact = next((at for at in AGREES if fit(factors, (at,))), None)
            if exact is not None and factors.max() > 0:
                factors = next((one for one in simpler(factors) if fit(one, (exact,))), factors)
                self.weights, self.found = dict(zip(self.weights, factors.tolist(), strict=True)), True
                return fit(factors)
        return None


def varied(groups: Sequence[Sequence[Rollout]]) -> int:
    """Return how many different advantages groups have; 0 where one is not known."""
    found = {rollout.advantage for group in groups for rollout in group}
    return 0 if None in found else len(found)


def rewards_of(groups: Sequence[Sequence[Rollout]], names: Sequence[str]) -> Array:
    """Return rewards (P, G, K) of groups of any sizes, and their advantages as another; NaN where there are none."""
    there = np.arange(max(map(len, groups))) < np.array([[len(group)] for group in groups])
    found = np.full((*there.shape, len(names) + 1), np.nan)
    rollouts = list(chain.from_iterable(groups))
    columns = [*([r.rewards.get(name, np.nan) for r in rollouts] for name in names), [r.advantage for r in rollouts]]
    found[there] = np.array(columns, dtype=np.float64).T
    return found


def solved(rewards: Array, advantages: Array, made: Estimator, believed: Array) -> Array:
    """Return the weights closest to those believed with which an estimator gives the direction of the advantages."""
    linear, is_exact = replace(made, spread="none", normalized=False), made.spread == "none" and not made.normalized
    known = np.where(np.isnan(rewards).all(axis=-1, keepdims=True), np.nan, np.nan_to_num(rewards))
    centred = np.stack([group_advantages(known[..., k], linear) for k in range(len(believed))], axis=-1)
    a, size = np.nan_to_num(advantages), np.sqrt(np.square(centred).sum(axis=(0, 1)))
    size[size == 0] = 1.0
    unit = centred / size
    if is_exact:
        gap = np.einsum("pg,pgk->k", a - centred @ believed, unit)
        return believed + np.linalg.pinv(np.einsum("pgk,pgl->kl", unit, unit), rcond=SMALL) @ gap / size
    rows = (1, -1) if made.scope == "batch" else a.shape  # what lies along the advantages of each is left out
    along, left = a.reshape(rows), unit.reshape(*rows, len(believed))
    square = np.square(along).sum(axis=1)[:, None]
    part = np.einsum("pg,pgk->pk", along, left) / np.where(square > 0, square, 1.0)
    left = left - along[..., None] * part[:, None]
    values, vectors = np.linalg.eigh(np.einsum("pgk,pgl->kl", left, left))
    basis = np.linalg.qr(vectors[:, : max(1, int((values < SMALL).sum()))] / size[:, None])[0]
    found = basis @ (basis.T @ believed)
    found = found if np.abs(found).max() > SMALL else basis[:, 0]
    found = found if (centred @ found * a).sum() >= 0 else -found
    found /= np.abs(found).max()
    return found * _scale(total_rewards(rewards, found), a, made, linear)


def _scale(totals: Array, a: Array, made: Estimator, linear: Estimator) -> float:
    """Return times what totals give advantages in which epsilon weighs as in these; 1 where that cannot be told."""
    centred, unit = group_advantages(totals, linear), group_advantages(totals, replace(made, epsilon=0.0))
    apart = centred - a * np.divide(centred, unit, out=np.zeros_like(centred), where=np.abs(unit) > SMALL)
    scale = (made.epsilon * a * apart).sum() / max(np.square(apart).sum(), np.finfo(float).tiny)
    return float(scale) if 1e-3 < scale < 1e3 else 1.0  # beyond, epsilon alone would make any spread a constant


def simpler(factors: Array) -> Iterator[Array]:
    """Yield weights rounded to one digit and more, as they are and with each in turn brought to 1."""
    known = [factor if abs(factor) > 1e-6 * np.abs(factors).max() else 0.0 for factor in factors.tolist()]
    for digits, size in product(range(1, 5), (1.0, *(abs(factor) for factor in known if factor))):
        yield np.array([float(f"{factor / size:.{digits}g}") for factor in known])
