"""Any number of runs, those that differ in their seed alone together: what each setting gave, with its spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, Mode, mean_of_known
from dra_toolkit.inspection.comparison import COMPARED
from dra_toolkit.inspection.health import step_curves
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.inspection.terminal import number, safe, table
from dra_toolkit.runs import Run

OF_A_SEED = ("seed", "data_seed", "sweep")
"""Recipe keys in which runs of one setting may differ."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Runs that differ in their seed alone. means: of each measure; halves: of its 95 % interval, NaN for one run."""

    name: str
    runs: tuple[str, ...]
    means: dict[str, float]
    halves: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SettingsCompared:
    """Settings side by side. steps: those that all runs recorded; the value of a run is its mean over their last third."""

    mode: str
    steps: int
    settings: tuple[Setting, ...]


def settings_of(runs: Sequence[Run]) -> list[str]:
    """Return what each run is of its setting: the keys in which they differ, seeds left out; `all` where in none."""
    keys = [key for key in differing_keys([run.recipe for run in runs]) if key not in OF_A_SEED]
    return [", ".join(f"{key}={run.recipe.get(key)}" for key in keys) or "all" for run in runs]


@cache
def student_t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t.

    >>> round(student_t(2), 3), round(student_t(30), 3)
    (4.303, 2.042)
    """
    import mpmath

    def beyond(t: float) -> float:
        return mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True) - 0.05

    return float(mpmath.findroot(beyond, (1.9, 13.0), solver="anderson", tol=1e-12))


def compare_settings(runs: Sequence[Run], *, mode: Mode = "train") -> SettingsCompared:
    """Compare any number of runs; raises RunError where they have no step in common, or more than 26 settings."""
    names = settings_of(runs)
    if len(set(names)) > len(ascii_uppercase):
        raise RunError(f"found runs of {len(set(names))} settings, expected at most {len(ascii_uppercase)}")
    curves = [step_curves(run, mode) for run in runs]
    shared = sorted(set.intersection(*(set(curve["step"].tolist()) for curve in curves)))
    if not shared:
        raise RunError(f"{', '.join(run.name for run in runs)}: no {mode} step is recorded in all of them")
    last = shared[-max(1, len(shared) // 3) :]
    ends = [{name: mean_of_known(curve[name][np.isin(curve["step"], last)]) for name in COMPARED} for curve in curves]
    found = []
    for name in dict.fromkeys(names):
        own = [i for i, each in enumerate(names) if each == name]
        values = {measure: np.array([ends[i][measure] for i in own]) for measure in COMPARED}
        found.append(
            Setting(
                name=name,
                runs=tuple(runs[i].name for i in own),
                means={measure: mean_of_known(each) for measure, each in values.items()},
                halves={measure: half_interval(each) for measure, each in values.items()},
            )
        )
    return SettingsCompared(mode=mode, steps=len(shared), settings=tuple(found))


def half_interval(values: Array) -> float:
    """Return half of the 95 % interval of the mean of values (n,), by Student's t, of those that are known."""
    known = values[np.isfinite(values)]
    count = len(known)
    return student_t(count - 1) * float(known.std(ddof=1)) / count**0.5 if count > 1 else float("nan")


def settings_view(found: SettingsCompared) -> RenderableType:
    """Return a table of measures, a column for each setting."""
    said = f"{found.steps:,} steps in all of them; means over the last third, ± half of the 95 % interval over runs"
    letters = ascii_uppercase[: len(found.settings)]
    heads = [f"{a} = {each.name}: {', '.join(each.runs)}" for a, each in zip(letters, found.settings, strict=True)]
    rows = [
        [GROUP_MEASURES[name].label, *(_estimate(each.means[name], each.halves[name]) for each in found.settings)]
        for name in COMPARED
        if any(np.isfinite(each.means[name]) for each in found.settings)
    ]
    shown = table(("mean over groups", *(f">{letter}" for letter in letters)), rows)
    return Group(*(safe(head, "bold") for head in heads), Text(), Text(said, "dim"), shown)


def _estimate(mean: float, half: float) -> str:
    return number(mean) if np.isnan(half) else f"{number(mean)} ± {number(half)}"
