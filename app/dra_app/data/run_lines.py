"""The runs as a table: how each stands, in what its recipe differs from the others, and its reward as a small curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_app.data.curves import measure_curves
from dra_toolkit.errors import DRAError
from dra_toolkit.groups import Array
from dra_toolkit.inspection.run_list import IGNORED

if TYPE_CHECKING:
    from dra_app.context import Context

MOST_RUNS = 40
"""Runs that are looked into, the most recently written; the others are there by name in the bar."""


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run of the table."""

    run_id: str
    state: str
    steps: int = 0
    last_step: int | None = None
    groups: int = 0
    reward: Array
    """Mean raw reward at each recorded step."""
    differences: dict[str, Any]
    """Recipe keys with different values among the runs shown."""
    problem: str = ""


def run_lines(context: Context) -> list[RunLine]:
    """Return the runs, the most recently written first."""
    lines: list[RunLine] = []
    recipes: dict[str, dict[str, Any]] = {}
    for run_id in context.run_ids()[:MOST_RUNS]:
        try:
            run = context.run(run_id)
            recipe = dict(run.recipe.items())
            curves = measure_curves(run)
            state = str(run.directory.status()["state"])
        except DRAError as error:
            lines.append(_broken(run_id, error.problems[0]))
            continue
        recipes[run_id] = {key: value for key, value in recipe.items() if key not in IGNORED}
        steps = curves.steps
        lines.append(
            RunLine(
                run_id=run_id,
                state=state,
                steps=len(steps),
                last_step=int(steps[-1]) if len(steps) else None,
                groups=int(curves.groups.sum()),
                reward=curves.measures.get("reward", np.zeros(0)),
                differences={},
            )
        )
    differing = differing_keys(list(recipes.values()))
    for line in lines:
        recipe = recipes.get(line.run_id, {})
        line.differences.update({key: recipe[key] for key in differing if key in recipe})
    return lines


def differing_keys(recipes: list[dict[str, Any]]) -> list[str]:
    """Return the keys, in order, whose values are not the same in all recipes that have them."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in keys if len({repr(recipe[key]) for recipe in recipes if key in recipe}) > 1]


def _broken(run_id: str, problem: str) -> RunLine:
    return RunLine(run_id=run_id, state="unreadable", reward=np.zeros(0), differences={}, problem=problem)
