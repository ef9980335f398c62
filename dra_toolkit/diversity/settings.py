"""How rewards are adjusted: which measure, of what, and how its known traps are closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dra_toolkit.diversity.labels import LABELS
from dra_toolkit.diversity.measures import MEASURES, ActsOn, Measure, Need, find_measure, measure_options
from dra_toolkit.diversity.weights import NEGATIVE_TOTALS, WEIGHT_SCALES, ZERO_SPREAD_GROUPS
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import did_you_mean
from dra_toolkit.groups import Array

SCOPES = ("group", "rank_slice")
CENTRES = ("none", "group_mean")


@dataclass(frozen=True, kw_only=True)
class DiversitySettings:
    """How rewards are adjusted; the defaults are the paper's formula over the whole group, similarity clamped at 0."""

    measure: str = "graph_cut"
    """A key of `MEASURES`, a dotted path, or `none`: graph-cut redundancy is still measured, but every weight is 1."""
    options: dict[str, float] = field(default_factory=dict, hash=False)
    """Numbers of measures by recipe key, `<measure>_<option>`; those of other measures do nothing."""
    similarity_floor: float | None = 0.0
    """Similarities below it count as it; None leaves negative similarities as they are, as the released code did."""
    similarity_centre: str = "none"
    """`group_mean` takes the mean of the group's embeddings from each before the cosine, and before the floor."""
    scope: str = "group"
    """What a completion is compared with: its `group`, or a `rank_slice` of consecutive rows as in the released code."""
    slice_rows: int | None = None
    """Rows in a rank slice, the training batch of one device; only with that scope."""
    weights: str = "raw"
    """`raw` as in the paper, or `mean_one`: scaled to a mean of 1 in each group."""
    negative_totals: str = "divide"
    """`divide` negative totals as in the paper, `multiply` them, `shift` totals by the group's smallest, or adjust
    `correct_only`. For a measure that acts on advantages, the same with negative advantages."""
    zero_spread_groups: str = "adjust"
    """`adjust` groups whose totals are all equal as in the paper, `skip` them, or `cap` what the division by their small
    spread makes of them."""
    labels: str = "answer"
    """Where labels come from, for measures that read them: `answer`, `similarity`, or a dotted path."""
    label_threshold: float = 0.9
    """Similarity from which two completions are in one cluster, with labels from `similarity`."""
    start_step: int = 1
    """First step whose rewards are adjusted."""
    stop_step: int | None = None
    """First step, after that, whose rewards are not adjusted any more."""
    ramp_steps: int = 0
    """Steps from `start_step` over which the adjustment grows to its whole strength."""

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_similarities()
        if (self.scope == "rank_slice") != (self.slice_rows is not None):
            raise ValueError("slice_rows: expected with scope rank_slice, and only there")
        built_in = MEASURES.get(self.measure)
        if self.scope == "rank_slice" and self.measure != "none" and not (built_in and built_in.in_slices):
            raise ValueError(f"scope: {self.measure} compares the completions of one prompt, expected scope group")
        self._check_options()
        if self.start_step < 1 or self.ramp_steps < 0 or (self.stop_step or self.start_step) < self.start_step:
            raise ValueError(
                "start_step, stop_step, ramp_steps: expected a start of at least 1, a stop not before it, and no "
                f"negative ramp, found {self.start_step}, {self.stop_step}, {self.ramp_steps}"
            )

    def _check_similarities(self) -> None:
        for name in ("similarity_floor", "label_threshold"):
            value = getattr(self, name)
            if value is not None and not -1.0 <= value <= 1.0:
                raise ValueError(f"{name}: found {value:g}, expected a similarity from -1 to 1")

    def _check_options(self) -> None:
        known = measure_options()
        for name, value in self.options.items():
            if name not in known:
                raise ValueError(f"options: found {name!r}, which no measure has{did_you_mean(name, known)}")
            low, high = known[name].low, known[name].high
            if not low <= value <= high:
                raise ValueError(f"options: found {name} {value:g}, expected a number from {low:g} to {high:g}")

    def _check_choices(self) -> None:
        for name, choices, dotted in (
            ("measure", (*MEASURES, "none"), True),
            ("scope", SCOPES, False),
            ("similarity_centre", CENTRES, False),
            ("weights", WEIGHT_SCALES, False),
            ("negative_totals", NEGATIVE_TOTALS, False),
            ("zero_spread_groups", ZERO_SPREAD_GROUPS, False),
            ("labels", LABELS, True),
        ):
            value = getattr(self, name)
            if value not in choices and not (dotted and is_dotted(value)):
                ending = " or a dotted path package.module.function" if dotted else ""
                raise ValueError(f"{name}: found {value!r}, expected one of {', '.join(choices)}{ending}")

    @property
    def adjusts(self) -> bool:
        """Whether anything is adjusted at all."""
        return self.measure != "none"

    @property
    def definition(self) -> Measure:
        """The measure; graph cut for `none`. Raises MeasureError for one of the user's that was not loaded."""
        return find_measure(self.measure if self.adjusts else "graph_cut")

    @property
    def needs(self) -> frozenset[Need]:
        """What must be known of a group to adjust it; nothing for `none`. Raises MeasureError as `definition` does.

        Labels that follow from the similarity need it, and nobody else's.
        """
        if not self.adjusts:
            return frozenset()
        needs = set(self.definition.needs)
        if "labels" in needs and self.labels == "similarity":
            needs = needs - {"labels"} | {"similarity"}
        return frozenset(needs)

    @property
    def acts_on(self) -> ActsOn:
        """Whether total rewards are adjusted, or advantages. Raises MeasureError as `definition` does."""
        return self.definition.acts_on if self.adjusts else "total"

    @property
    def has_factor(self) -> bool:
        """Whether there are weights that settings may scale or turn round. Raises MeasureError as `definition` does."""
        return self.adjusts and self.definition.acts_by != "replacement"

    @property
    def shifts(self) -> bool:
        """Whether weights act on how far a value is above the smallest of its group, where that is negative."""
        return self.has_factor and self.negative_totals == "shift"

    def strength(self, step: int | Array | None) -> Array:
        """Return how much of the adjustment is in force at a step, (...,) from 0 to 1; None is outside any schedule."""
        if step is None:
            return np.array(1.0)
        steps = np.asarray(step, dtype=np.float64)
        grown = np.clip((steps - self.start_step + 1) / max(self.ramp_steps, 1), 0.0, 1.0)
        on = (steps >= self.start_step) & (steps < (np.inf if self.stop_step is None else self.stop_step))
        return np.where(on, grown, 0.0)

    def option_values(self) -> dict[str, Any]:
        """Return the measure's options by name, its defaults for those that are not set."""
        return {
            option.name: self.options.get(f"{self.measure}_{option.name}", option.default)
            for option in self.definition.options
        }
