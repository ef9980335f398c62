"""From rewards to total rewards and group advantages, GRPO's, Dr. GRPO's and those of other engines: each a few words."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dra_toolkit.diversity.group_statistics import ZERO_SPREAD, zero_spread
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.diversity.weights import combined
from dra_toolkit.groups import Adjustment, Array

Scaling = Literal["group", "batch", "none"]
SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
Baseline = Literal["mean", "leave_one_out", "none"]
Spread = Literal["sample", "population", "none"]

STD_OFFSET = 1e-4
"""What TRL adds to the standard deviation before dividing."""


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """How advantages are made of total rewards."""

    baseline: Baseline = "mean"
    """What is taken away: the mean of the group, that of its other members, or nothing."""
    centred_on: Literal["adjusted", "raw"] = "adjusted"
    """Of which totals: those that a diversity adjustment left, or those before it."""
    spread: Spread = "sample"
    """What is divided by: the standard deviation of the sample (ddof = 1), of the population (ddof = 0), or nothing."""
    scope: Literal["group", "batch"] = "group"
    """Whose standard deviation."""
    epsilon: float = STD_OFFSET
    """Added to it."""
    clip: float | None = None
    """The largest absolute advantage; None if there is none."""
    normalized: bool = False
    """Whether the advantages of a whole batch are then brought to mean 0 and, but for epsilon, standard deviation 1."""
    alone: Literal["nothing", "total"] = "nothing"
    """What a completion gets that is alone in its group: no advantage, or its total as it is."""

    @property
    def scaling(self) -> Scaling:
        """The nearest thing that TRL has a name for."""
        return "none" if self.spread == "none" else self.scope

    def __str__(self) -> str:
        """Return what differs from TRL's, after the first engine that does the same."""
        name = next((name for name, one in ESTIMATORS.items() if one == self), "")
        fields = {key: value for key, value in vars(self).items() if value != getattr(ESTIMATORS["trl"], key)}
        said = ", ".join(f"{key} {value}" for key, value in fields.items())
        return f"{name} ({said})" if name and said else name or said

    def __post_init__(self) -> None:
        known = {"baseline": get_args(Baseline), "spread": get_args(Spread), "scope": ("group", "batch")}
        known |= {"centred_on": ("adjusted", "raw"), "alone": ("nothing", "total")}
        for name, values in known.items():
            if (found := getattr(self, name)) not in values:
                raise ValueError(f"{name}: found {found!r}, expected one of {', '.join(values)}")


ESTIMATORS = {
    "trl": Estimator(),
    "trl_batch": Estimator(scope="batch"),
    "trl_none": Estimator(spread="none"),
    "trl_async": Estimator(spread="population", epsilon=1e-8),
    "rloo": Estimator(baseline="leave_one_out", spread="none"),
    "rloo_normalized": Estimator(baseline="leave_one_out", spread="none", scope="batch", normalized=True),
    "verl": Estimator(epsilon=1e-6, alone="total"),
    "verl_none": Estimator(spread="none", alone="total"),
    "ms_swift": Estimator(),
    "prime_rl": Estimator(spread="none"),
    "skyrl": Estimator(epsilon=1e-6, alone="total"),
    "slime": Estimator(epsilon=1e-6),
    "openrlhf": Estimator(epsilon=1e-9),
    "nemo_rl": Estimator(baseline="leave_one_out", spread="none"),
}
"""Name of an engine, or of one of its ways -> how it makes advantages of whole groups."""
_OF_SCALING = {"group": ESTIMATORS["trl"], "batch": ESTIMATORS["trl_batch"], "none": ESTIMATORS["trl_none"]}


def total_rewards(rewards: Array, reward_weights: Array) -> Array:
    """Return the weighted sum over reward functions, (...,), of raw rewards (..., K) and weights (K,).

    A function that abstained (NaN) adds nothing; where all abstained the total is NaN. As in TRL's GRPOTrainer.
    """
    totals = np.nansum(rewards * reward_weights, axis=-1)
    return np.where(np.isnan(rewards).all(axis=-1), np.nan, totals)


def estimator_of(scale_rewards: Scaling | Estimator) -> Estimator:
    """Return an estimator as it is, or TRL's with this scaling of rewards."""
    if isinstance(scale_rewards, Estimator):
        return scale_rewards
    if scale_rewards not in SCALINGS:
        raise ValueError(f"scale_rewards: found {scale_rewards!r}, expected one of {', '.join(SCALINGS)}")
    return _OF_SCALING[scale_rewards]


def group_advantages(
    totals: Array,
    scale_rewards: Scaling | Estimator = "group",
    *,
    least_std: Array | None = None,
    raw: Array | None = None,
) -> Array:
    """Return the advantage of each completion, (P, G), from total rewards (P, G) of P groups.

    The group's mean is taken away; then `group` divides by the group's standard deviation (GRPO, arXiv 2402.03300),
    `batch` by that of all N totals (arXiv 2508.08221) and `none` by nothing (Dr. GRPO, arXiv 2503.20783). As in TRL:
    sample standard deviation (ddof = 1) plus 1e-4, and a completion without a total (NaN) neither counts nor gets an
    advantage (0). A group of one completion has advantage 0. An estimator in place of the scaling says what else is done.

    least_std   (P, 1): what `group` divides by at least, for each group.
    raw         (P, G): the totals before an adjustment, for an estimator that centres on these; else the totals.
    """
    made = estimator_of(scale_rewards)
    totals = np.asarray(totals, dtype=np.float64)
    known = ~np.isnan(totals)
    count = known.sum(axis=-1, keepdims=True)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # groups with no or one total: NaN, which becomes 0 below
        centred = totals - _baseline(totals if raw is None or made.centred_on == "adjusted" else raw, count, made)
        if made.spread != "none":
            of_batch = made.scope == "batch"
            std = np.nanstd(totals, axis=None if of_batch else -1, ddof=int(made.spread == "sample"), keepdims=True)
            least = 0.0 if least_std is None or of_batch else least_std
            centred = centred / (np.maximum(std, least) + made.epsilon)
    if made.alone == "total":
        scale = 1.0 if made.spread == "none" else 1.0 + made.epsilon
        centred = np.where(count == 1, totals / scale, centred)
    found = np.nan_to_num(centred, nan=0.0)
    if made.normalized:
        found = (found - found.mean()) / (found.std(ddof=1) + made.epsilon)
    return found if made.clip is None else np.clip(found, -made.clip, made.clip)


def _baseline(totals: Array, count: Array, made: Estimator) -> Array:
    """Return what is taken away from each total, (P, G) or (P, 1)."""
    if made.baseline == "none":
        return np.zeros_like(count, dtype=np.float64)
    mean = np.nanmean(totals, axis=-1, keepdims=True)
    return mean if made.baseline == "mean" else (mean * count - totals) / (count - 1)


def fitting_estimator(
    totals: Array, advantages: Array, *, first: str | None = None, tolerances: Sequence[float] = (1e-6,)
) -> tuple[str, Estimator] | None:
    """Return name and estimator that give advantages (P, G), NaN where unknown, of totals (P, G); None if none does.

    first: whose is tried before the others, since several engines do the same. tolerances: how far apart they may be, the
    closest first, as a share of the largest advantage, at least 1.
    """
    size = max(1.0, float(np.nanmax(np.abs(advantages), initial=0.0)))
    order = sorted(ESTIMATORS.items(), key=lambda item: not (first is not None and item[0].startswith(first)))
    apart = functools.cache(lambda made: np.nanmax(np.abs(group_advantages(totals, made) - advantages), initial=0.0))
    return next((item for tolerance in tolerances for item in order if apart(item[1]) <= tolerance * size), None)


def adjusted_advantages(
    adjustment: Adjustment, scale_rewards: Scaling | Estimator = "group", settings: DiversitySettings | None = None
) -> Array:
    """Return the advantages, (P, G), that an adjustment of P groups with these settings leads to.

    Those of the adjusted totals; or, for a measure that acts on advantages, the plain ones times the weights plus the
    bonus. Capped, a group whose totals are all R is divided by no less than |R| / sqrt(G): the
    standard deviation that it would have if one of its completions had got nothing. A difference of rewards then weighs
    there what it weighs in such a group. Where R is 0 there is nothing to compare with, and no advantage. A completion that
    is alone with its total has no advantage, whatever is added to it.
    """
    settings = settings or DiversitySettings()
    least = _least_std(adjustment.totals) if settings.caps else None
    if settings.acts_on == "total":
        return group_advantages(adjustment.adjusted, scale_rewards, least_std=least, raw=adjustment.totals)
    plain = group_advantages(adjustment.totals, scale_rewards)
    changed = combined(plain, adjustment.weights, adjustment.bonus, shift=settings.shifts)
    known = ~np.isnan(adjustment.totals)
    return np.where(known & (known.sum(axis=-1, keepdims=True) > 1), changed, 0.0)


def replaces_advantages(settings: DiversitySettings, scale_rewards: Scaling | Estimator) -> bool:
    """Return whether the advantages are others than those that follow from the adjusted totals alone."""
    made = estimator_of(scale_rewards)
    divides = made.scope == "group" and made.spread != "none"
    return (settings.caps and divides) or settings.acts_on == "advantage"


def _least_std(totals: Array) -> Array:
    known = ~np.isnan(totals)
    count = known.sum(axis=-1, keepdims=True)
    size = np.where(known, np.abs(totals), 0.0).max(axis=-1, keepdims=True)
    reference = np.where(size > ZERO_SPREAD, size / np.sqrt(np.maximum(count, 1)), np.inf)
    return np.where(zero_spread(totals)[..., None], reference, 0.0)
