"""How rewards are adjusted: which measure, of what, and how its known traps are closed.

Each setting is declared once, on its field: recipe keys, checks, replay, forms and docs follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from dra_toolkit.diversity.labels import LABELS
from dra_toolkit.diversity.measures import MEASURES, ActsOn, Measure, Need, find_measure, measure_options
from dra_toolkit.diversity.weights import NEGATIVE_TOTALS, WEIGHT_SCALES, ZERO_SPREAD_GROUPS
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import SettingsError, did_you_mean
from dra_toolkit.groups import Array

SCOPES = ("group", "rank_slice")
CENTRES = ("none", "group_mean")


@dataclass(frozen=True, kw_only=True)
class SettingKey:
    """A setting as a recipe, a form and the docs have it."""

    field: str
    """Its name in `DiversitySettings`."""
    key: str
    kinds: tuple[str, ...]
    """Accepted types: int, float, str, none."""
    default: Any
    label: str
    help: str
    choices: tuple[str, ...] = ()
    dotted: bool = False
    """Whether a dotted path is accepted besides the choices."""
    low: float = -np.inf
    high: float = np.inf
    borrowed: bool = False
    """Whether the key is one that a recipe has anyway, for something else."""

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value, or None."""
        if self.choices and value not in self.choices and not (self.dotted and is_dotted(value)):
            ending = " or a dotted path package.module.function" if self.dotted else ""
            return f"found {value!r}, expected one of {', '.join(self.choices)}{ending}"
        return None if self.choices or value is None else _out_of_range(value, self.low, self.high)


def _setting(default: Any, help: str, **declared: Any) -> Any:
    """Return a field of `DiversitySettings` with what `SettingKey` says of it."""
    return field(default=default, metadata={"help": help, **declared})


@dataclass(frozen=True, kw_only=True)
class DiversitySettings:
    """How rewards are adjusted; the defaults are the paper's formula over the whole group, similarity clamped at 0.

    What each setting does is said by `SETTING_KEYS[name].help`. Raises SettingsError, a ValueError, with every problem.
    """

    measure: str = _setting(
        "graph_cut",
        "The measure by which the completions of a group are told apart, by name or the dotted path of your "
        "own; none leaves the rewards alone.",
        key="diversity",
        choices=(*MEASURES, "none"),
        dotted=True,
    )
    options: dict[str, float] = field(default_factory=dict, hash=False)
    """Numbers of measures by recipe key, `<measure>_<option>`; those of other measures do nothing."""
    negative_totals: str = _setting(
        "divide",
        "divide negative total rewards too, as in the paper, or multiply them, so that repeating a mistake "
        "costs more; shift all totals of a group by its smallest; correct_only leaves wrong completions alone. For "
        "measures that act on advantages, the same with those.",
        choices=NEGATIVE_TOTALS,
    )
    zero_spread_groups: str = _setting(
        "adjust",
        "adjust groups whose total rewards are all equal, as in the paper; skip them: no gradient, as in GRPO; "
        "or cap what scale_rewards: group makes of their small differences.",
        label="groups of equal rewards",
        choices=ZERO_SPREAD_GROUPS,
    )
    weights: str = _setting(
        "raw",
        "raw weights as in the paper, or mean_one: scaled to a mean of 1 in each group, so that updates keep "
        "their size.",
        key="diversity_weights",
        label="normalisation of weights",
        choices=WEIGHT_SCALES,
    )
    similarity_floor: float | None = _setting(
        0.0,
        "Similarities below it count as it; null keeps negative similarities, as the released code did.",
        low=-1,
        high=1,
    )
    similarity_centre: str = _setting(
        "none",
        "group_mean takes the mean of the group's embeddings from each before the cosine, and with it what all "
        "completions of a problem share.",
        choices=CENTRES,
    )
    scope: str = _setting(
        "group",
        "What a completion is compared with: its group, or the rank_slice of per_device_train_batch_size rows "
        "that the released code used.",
        key="diversity_scope",
        choices=SCOPES,
    )
    slice_rows: int | None = _setting(
        None,
        "Rows that the scope rank_slice compares with each other.",
        key="per_device_train_batch_size",
        label="rows of a rank slice",
        low=1,
        borrowed=True,
    )
    labels: str = _setting(
        "answer",
        "What is one cluster, for measures that read clusters: completions of one final answer, of a similarity "
        "of at least diversity_label_threshold, or what your own function of texts says (dotted path).",
        key="diversity_labels",
        label="clusters by",
        choices=LABELS,
        dotted=True,
    )
    label_threshold: float = _setting(
        0.9,
        "Similarity that joins two completions, with those labels.",
        key="diversity_label_threshold",
        label="cluster threshold",
        low=-1,
        high=1,
    )
    start_step: int = _setting(
        1, "First step whose rewards are adjusted.", key="diversity_start_step", label="first step adjusted", low=1
    )
    stop_step: int | None = _setting(
        None,
        "First step whose rewards are not adjusted any more.",
        key="diversity_stop_step",
        label="first step no longer adjusted",
    )
    ramp_steps: int = _setting(
        0,
        "Steps from the start over which the adjustment grows to its strength.",
        key="diversity_ramp_steps",
        label="ramp, steps",
        low=0,
    )

    def __post_init__(self) -> None:
        problems = [*self._single(), *self._options(), *self._together()]
        if problems:
            raise SettingsError(problems)

    def _single(self) -> Iterator[tuple[str, str]]:
        for name, declared in SETTING_KEYS.items():
            if problem := declared.problem(getattr(self, name)):
                yield name, problem

    def _options(self) -> Iterator[tuple[str, str]]:
        known = measure_options()
        for name, value in self.options.items():
            if name not in known:
                yield name, f"no measure has it{did_you_mean(name, known)}"
            elif problem := _out_of_range(value, known[name].low, known[name].high):
                yield name, problem

    def _together(self) -> Iterator[tuple[str, str]]:
        if (self.scope == "rank_slice") != (self.slice_rows is not None):
            yield "slice_rows", f"found {self.slice_rows}, expected with scope rank_slice, and only there"
        built_in = MEASURES.get(self.measure)
        if self.scope == "rank_slice" and self.measure != "none" and not (built_in and built_in.in_slices):
            yield "scope", f"{self.measure} compares the completions of one prompt, which a rank_slice mixes; set group"
        if self.stop_step is not None and self.stop_step < self.start_step:
            expected = f"a step not before the first, {self.start_step}, or null"
            yield "stop_step", f"found {self.stop_step}, expected {expected}"

    @property
    def adjusts(self) -> bool:
        """Whether anything is adjusted at all; with the measure `none` redundancy is graph cut's, and every weight 1."""
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

    @property
    def caps(self) -> bool:
        """Whether groups of equal totals are scaled by no less than a reward of nothing would have it."""
        return self.adjusts and self.zero_spread_groups == "cap"

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

    def as_recipe(self) -> dict[str, Any]:
        """Return the settings by recipe key, with the options of a measure of the toolkit's own."""
        values = {each.key: getattr(self, name) for name, each in SETTING_KEYS.items()}
        if self.slice_rows is None:
            del values[SETTING_KEYS["slice_rows"].key]
        own = self.option_values() if self.measure in MEASURES else {}
        return values | {f"{self.measure}_{name}": value for name, value in own.items()}


def _out_of_range(value: float, low: float, high: float) -> str | None:
    if low <= value <= high:
        return None
    expected = f"at least {low:g}" if high == np.inf else f"a number from {low:g} to {high:g}"
    return f"found {value:g}, expected {expected}"


SETTING_KEYS: dict[str, SettingKey] = {
    each.name: SettingKey(
        field=each.name,
        default=each.default,
        kinds=tuple(part.strip().replace("None", "none") for part in str(each.type).split("|")),
        **{"key": each.name, "label": each.name.replace("_", " "), **each.metadata},
    )
    for each in fields(DiversitySettings)
    if "help" in each.metadata
}
"""What each field of `DiversitySettings`, its options apart, accepts and means, in the order of a form."""

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "robust": {"weights": "mean_one", "negative_totals": "multiply", "zero_spread_groups": "skip"},
}
"""Name -> the settings, by field, that it stands for."""


def diversity_settings(recipe: Mapping[str, Any]) -> DiversitySettings:
    """Return how a recipe adjusts rewards; raises SettingsError, its problems by recipe key."""
    values = {name: recipe[each.key] for name, each in SETTING_KEYS.items()}
    if values["scope"] != "rank_slice":
        values["slice_rows"] = None
    measure = MEASURES.get(values["measure"])
    keys = [f"{values['measure']}_{option.name}" for option in measure.options] if measure else []
    try:
        return DiversitySettings(**values, options={key: recipe[key] for key in keys})
    except SettingsError as error:
        named = {name: each.key for name, each in SETTING_KEYS.items()}
        raise SettingsError([(named.get(name, name), problem) for name, problem in error.found]) from None


def discount_of(settings: DiversitySettings) -> float:
    """Return what earlier visits of a prompt count for at each further one, for a measure that reads its history."""
    return float(settings.option_values().get("discount", 1.0))
