"""Two runs side by side: step by step, and on the prompts that both saw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import shown_in
from dra_toolkit.groups import Array, Mode, mean_of_known
from dra_toolkit.inspection.health import step_curves
from dra_toolkit.inspection.overview import SHOWN_SETTINGS, differing_keys
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
    pairs, first = _by_prompt(left, right, mode)
    if not steps and not pairs:
        raise RunError(f"{left.name} and {right.name}: no {mode} step and no prompt is recorded in both")
    gaps = np.array([pair.gap for pair in pairs])
    largest = sorted(pairs, key=lambda pair: -abs(pair.gap))[:limit]
    seen = {pair.prompt_hash: left.group(**first[pair.prompt_hash], mode=mode).group.prompt for pair in largest}
    told = {key: prompt[-1].content if prompt else "" for key, prompt in seen.items()}
    return Comparison(
        left=left.name,
        right=right.name,
        settings={key: (a[key], b[key]) for key in differing_keys([a, b])},
        steps=steps,
        curves=curves,
        shared_prompts=len(pairs),
        mean_gap=float(gaps.mean()) if len(gaps) else float("nan"),
        gap_error=float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan"),
        prompts=tuple(replace(pair, prompt=told[pair.prompt_hash]) for pair in largest),
    )


def _curves(left: Run, right: Run, mode: Mode) -> tuple[tuple[int, ...], tuple[Curve, ...]]:
    mine, others = step_curves(left, mode), step_curves(right, mode)
    shared, a, b = np.intersect1d(mine["step"], others["step"], return_indices=True)
    curves = [Curve(measure=name, left=mine[name][a], right=others[name][b]) for name in COMPARED]
    return tuple(shared.astype(int).tolist()), tuple(curves)


def _by_prompt(left: Run, right: Run, mode: Mode) -> tuple[list[PromptPair], dict[str, dict[str, int]]]:
    """Return the prompts that both runs rewarded, still without their texts, and where the left one saw each first."""
    sql = (
        "SELECT prompt_hash, avg(reward) AS reward, coalesce(avg(similarity), 'nan'::DOUBLE) AS similarity, "
        "arg_min(struct_pack(step := step, batch := batch, index := group_index), (step, batch, group_index)) AS first "
        "FROM groups WHERE mode = $1 GROUP BY prompt_hash HAVING reward IS NOT NULL"
    )
    mine, others = ({row["prompt_hash"]: row for row in run.query(sql, [mode]).to_pylist()} for run in (left, right))
    pairs = [
        PromptPair(
            prompt_hash=key,
            prompt="",
            left_reward=mine[key]["reward"],
            right_reward=others[key]["reward"],
            left_similarity=mine[key]["similarity"],
            right_similarity=others[key]["similarity"],
        )
        for key in mine
        if key in others
    ]
    return pairs, {key: row["first"] for key, row in mine.items()}
