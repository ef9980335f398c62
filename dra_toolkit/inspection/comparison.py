"""Two runs side by side, or any number: those that differ in their seed alone together, with their spread over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES, shown_in
from dra_toolkit.groups import Array, Mode, mean_of_known
from dra_toolkit.inspection.overview import SHOWN_SETTINGS, differing_keys, step_curves
from dra_toolkit.inspection.terminal import number, safe, table
from dra_toolkit.runs import Run

COMPARED = [measure.name for measure in shown_in("runs")]
"""Measures compared step by step, as means over the groups of a step."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure of both runs, (S,) each, at the steps that both recorded."""

    measure: str
    left: Array
    right: Array

    def difference(self) -> float:
        """Return the mean of right - left over the last third of the steps; NaN where one was not measured."""
        third = max(1, len(self.left) // 3)
        return mean_of_known((self.right - self.left)[-third:])


@dataclass(frozen=True, kw_only=True)
class PromptPair:
    """A prompt that both runs saw: means over its groups."""

    prompt_hash: str
    prompt: str
    left_reward: float
    right_reward: float
    left_similarity: float
    right_similarity: float

    @property
    def gap(self) -> float:
        """Right reward minus left reward."""
        return self.right_reward - self.left_reward


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    settings         recipe keys with different values, left and right; unknown where a run does not say
    steps            those that both recorded
    mean_gap         mean over shared prompts of right minus left reward; NaN if there are none
    gap_error        its standard error, by prompt; NaN below two prompts
    prompts          those with the largest gaps
    """

    left: str
    right: str
    settings: dict[str, tuple[object, object]]
    steps: tuple[int, ...]
    curves: tuple[Curve, ...]
    shared_prompts: int
    mean_gap: float
    gap_error: float
    prompts: tuple[PromptPair, ...]


def compare(left: Run, right: Run, *, mode: Mode = "train", limit: int = 10) -> Comparison:
    """Compare two runs; raises RunError if they have no step and no prompt in common."""
    keys = {**left.recipe, **right.recipe} if "seed" in {*left.recipe} & {*right.recipe} else SHOWN_SETTINGS
    a, b = ({**dict.fromkeys(keys, "unknown"), **run.recipe} for run in (left, right))
    steps, curves = _curves(left, right, mode)
    pairs = _by_prompt(left, right, mode)
    if not steps and not pairs:
        raise RunError(f"{left.name} and {right.name}: no {mode} step and no prompt is recorded in both")
    gaps = np.array([theirs["reward"] - mine["reward"] for mine, theirs in pairs])
    largest = np.argsort(-np.abs(gaps), kind="stable")[:limit].tolist()
    return Comparison(
        left=left.name,
        right=right.name,
        settings={key: (a[key], b[key]) for key in differing_keys([a, b])},
        steps=steps,
        curves=curves,
        shared_prompts=len(pairs),
        mean_gap=float(gaps.mean()) if len(gaps) else float("nan"),
        gap_error=float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan"),
        prompts=tuple(_pair(left, mode, *pairs[i]) for i in largest),
    )


def _curves(left: Run, right: Run, mode: Mode) -> tuple[tuple[int, ...], tuple[Curve, ...]]:
    mine, others = step_curves(left, mode), step_curves(right, mode)
    shared, a, b = np.intersect1d(mine["step"], others["step"], return_indices=True)
    curves = [Curve(measure=name, left=mine[name][a], right=others[name][b]) for name in COMPARED]
    return tuple(shared.astype(int).tolist()), tuple(curves)


def _by_prompt(left: Run, right: Run, mode: Mode) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what each run says of the prompts that both rewarded, and where it saw them first."""
    sql = (
        "SELECT prompt_hash, avg(reward) AS reward, coalesce(avg(similarity), 'nan'::DOUBLE) AS similarity, "
        "arg_min(struct_pack(step := step, batch := batch, index := group_index), (step, batch, group_index)) AS first "
        "FROM groups WHERE mode = $1 GROUP BY prompt_hash HAVING reward IS NOT NULL"
    )
    mine, others = ({row["prompt_hash"]: row for row in run.query(sql, [mode]).to_pylist()} for run in (left, right))
    return [(mine[key], others[key]) for key in mine if key in others]


def _pair(run: Run, mode: Mode, mine: dict[str, Any], theirs: dict[str, Any]) -> PromptPair:
    prompt = run.group(**mine["first"], mode=mode).group.prompt
    return PromptPair(
        prompt_hash=mine["prompt_hash"],
        prompt=prompt[-1].content if prompt else "",
        left_reward=mine["reward"],
        right_reward=theirs["reward"],
        left_similarity=mine["similarity"],
        right_similarity=theirs["similarity"],
    )


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
    from scipy.special import stdtrit

    known = values[np.isfinite(values)]
    count = len(known)
    return float(stdtrit(count - 1, 0.975)) * float(known.std(ddof=1)) / count**0.5 if count > 1 else float("nan")


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
