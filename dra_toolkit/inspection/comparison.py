"""Two runs side by side: step by step, and on the prompts that both saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import shown_in
from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.run_list import differing_keys
from dra_toolkit.runs import Run

COMPARED = [measure.name for measure in shown_in("runs")]
"""Measures compared step by step, as means over the groups of a step."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure of both runs at the steps that both recorded."""

    measure: str
    left: Array
    """(S,)"""
    right: Array
    """(S,)"""

    def difference(self) -> float:
        """Return the mean of right - left over the last third of the steps; NaN where one was not measured."""
        third = max(1, len(self.left) // 3)
        gap = (self.right - self.left)[-third:]
        known = gap[~np.isnan(gap)]
        return float(known.mean()) if len(known) else float("nan")


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
    """Two runs side by side."""

    left: str
    right: str
    settings: dict[str, tuple[object, object]]
    """Recipe keys with different values, left and right; None where a run does not have the key."""
    steps: tuple[int, ...]
    """Steps that both recorded."""
    curves: tuple[Curve, ...]
    shared_prompts: int
    mean_gap: float
    """Mean over shared prompts of right minus left reward; NaN if there are none."""
    gap_error: float
    """Its standard error, by prompt; NaN below two prompts."""
    prompts: tuple[PromptPair, ...]
    """Those with the largest gaps."""


def compare(left: Run, right: Run, *, mode: Mode = "train", limit: int = 10) -> Comparison:
    """Compare two runs; raises RunError if they have no step and no prompt in common."""
    steps, curves = _curves(left, right, mode)
    gaps = _by_prompt(left, right, mode)
    if not steps and not gaps:
        raise RunError(f"{left.name} and {right.name}: no {mode} step and no prompt is recorded in both")
    sizes = np.array([gap[1] for gap in gaps])
    chosen = sorted(gaps, key=lambda gap: -abs(gap[1]))[:limit]
    return Comparison(
        left=left.name,
        right=right.name,
        settings=_settings(left, right),
        steps=steps,
        curves=curves,
        shared_prompts=len(gaps),
        mean_gap=float(sizes.mean()) if len(sizes) else float("nan"),
        gap_error=float(sizes.std(ddof=1) / np.sqrt(len(sizes))) if len(sizes) > 1 else float("nan"),
        prompts=tuple(_pair(left, mode, *gap) for gap in chosen),
    )


def _settings(left: Run, right: Run) -> dict[str, tuple[object, object]]:
    a, b = left.recipe, right.recipe
    known = [dict.fromkeys({**a, **b}) | dict(recipe) for recipe in (a, b)]  # a key of one run alone differs here
    return {key: (a.get(key), b.get(key)) for key in differing_keys(known)}


def _curves(left: Run, right: Run, mode: Mode) -> tuple[tuple[int, ...], tuple[Curve, ...]]:
    columns = ", ".join(("step", *COMPARED))
    tables = [run.query(f"SELECT {columns} FROM steps WHERE mode = $1 ORDER BY step", [mode]) for run in (left, right)]
    steps = [table["step"].to_numpy() for table in tables]
    shared, a, b = np.intersect1d(steps[0], steps[1], return_indices=True)
    values = [
        {name: table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in COMPARED} for table in tables
    ]
    curves = [Curve(measure=name, left=values[0][name][a], right=values[1][name][b]) for name in COMPARED]
    return tuple(shared.tolist()), tuple(curves)


Gap = tuple[str, float, float, float, float, float, tuple[int, int, int]]


def _by_prompt(left: Run, right: Run, mode: Mode) -> list[Gap]:
    """Return hash, gap, both rewards, both similarities, and a group of the left run, of each shared prompt."""
    sql = (
        "SELECT prompt_hash, avg(reward) AS reward, avg(similarity) AS similarity, "
        "arg_min((step, batch, group_index), step) AS first FROM groups WHERE mode = $1 GROUP BY prompt_hash"
    )
    tables = [run.query(sql, [mode]).to_pylist() for run in (left, right)]
    others = {row["prompt_hash"]: row for row in tables[1]}
    found: list[Gap] = []
    for row in tables[0]:
        other = others.get(row["prompt_hash"])
        if other is None or row["reward"] is None or other["reward"] is None:
            continue
        nan = float("nan")
        similarity = [nan if r["similarity"] is None else r["similarity"] for r in (row, other)]
        place = tuple(row["first"].values())
        gap = other["reward"] - row["reward"]
        found.append((row["prompt_hash"], gap, row["reward"], other["reward"], *similarity, place))
    return found


def _pair(
    run: Run,
    mode: Mode,
    prompt_hash: str,
    gap: float,
    left_reward: float,
    right_reward: float,
    left_similarity: float,
    right_similarity: float,
    place: tuple[int, int, int],
) -> PromptPair:
    record = run.group(place[0], place[2], mode=mode, batch=place[1])
    return PromptPair(
        prompt_hash=prompt_hash,
        prompt=record.group.prompt[-1].content if record.group.prompt else "",
        left_reward=left_reward,
        right_reward=right_reward,
        left_similarity=left_similarity,
        right_similarity=right_similarity,
    )
