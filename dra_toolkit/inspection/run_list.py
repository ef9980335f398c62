"""The runs of a folder, and in what their recipes differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError
from dra_toolkit.runs import Run, find_runs

IGNORED = ("output_dir", "run_name", "logging_dir")
"""Keys that differ between any two runs."""


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a folder."""

    name: str
    path: str
    state: str
    steps: int
    """Training steps with recorded groups."""
    last_step: int | None
    completions: int
    """Recorded to train on."""
    reward: float | None
    """Mean raw reward of the last recorded step."""
    differences: dict[str, Any]
    """Recipe keys whose values are not the same in all runs of the folder."""
    problem: str | None = None
    """Why the run cannot be read, if it cannot."""


def list_runs(root: Path) -> list[RunRow]:
    """Return the runs directly under a folder, the most recently written first."""
    rows: list[RunRow] = []
    recipes: list[dict[str, Any]] = []
    for directory in reversed(find_runs(root)):
        run = Run(directory)
        try:
            recipe = {key: value for key, value in run.recipe.items() if key not in IGNORED}
            rows.append(_row(run))
            recipes.append(recipe)
        except DRAError as error:
            rows.append(_broken(run, error.problems[0]))
            recipes.append({})
    differing = _differing([recipe for recipe in recipes if recipe])
    return [
        _with(row, {key: recipe.get(key) for key in differing if key in recipe})
        for row, recipe in zip(rows, recipes, strict=True)
    ]


def _row(run: Run) -> RunRow:
    counts = run.query(
        "SELECT count(DISTINCT step) AS steps, max(step) AS last, sum(size)::BIGINT AS completions FROM groups "
        "WHERE mode = 'train'"
    ).to_pylist()[0]
    reward = None
    if counts["last"] is not None:
        last = counts["last"]
        sql = "SELECT avg(reward) AS reward FROM groups WHERE mode = 'train' AND step = $1"
        reward = run.query(sql, [last], steps=(last, last)).column(0)[0].as_py()
    return RunRow(
        name=run.name,
        path=str(run.directory.path),
        state=str(run.directory.status()["state"]),
        steps=counts["steps"],
        last_step=counts["last"],
        completions=counts["completions"] or 0,
        reward=reward,
        differences={},
    )


def _broken(run: Run, problem: str) -> RunRow:
    return RunRow(
        name=run.name,
        path=str(run.directory.path),
        state="unreadable",
        steps=0,
        last_step=None,
        completions=0,
        reward=None,
        differences={},
        problem=problem,
    )


def _with(row: RunRow, differences: dict[str, Any]) -> RunRow:
    return replace(row, differences=differences)


def _differing(recipes: list[dict[str, Any]]) -> list[str]:
    """Return the keys, in order, with different values; one that older recipes do not know does not count for that."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in keys if len({repr(recipe[key]) for recipe in recipes if key in recipe}) > 1]
