"""The runs of a folder, and in what their recipes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.runs import Run, find_runs

IGNORED = ("output_dir", "run_name", "logging_dir")
"""Keys that differ between any two runs."""


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a folder."""

    name: str
    path: str
    state: str
    steps: int = 0
    """Training steps with recorded groups."""
    last_step: int | None = None
    completions: int = 0
    """Recorded to train on."""
    reward: float | None = None
    """Mean raw reward of the last recorded step."""
    differences: dict[str, Any] = field(default_factory=dict)
    """Recipe keys whose values are not the same in all runs of the folder."""
    problem: str | None = None
    """Why the run cannot be read, if it cannot."""


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Some of the runs of a folder."""

    rows: tuple[RunRow, ...]
    offset: int
    total: int


def list_runs(root: Path, *, limit: int | None = None, offset: int = 0) -> RunPage:
    """Return a page of the runs directly under a folder, the most recently written first.

    The recipes of all runs are read, the groups only of those on the page.
    """
    runs = [Run(directory) for directory in reversed(find_runs(root))]
    recipes = [_recipe(run) for run in runs]
    differing = differing_keys([recipe for recipe in recipes if not isinstance(recipe, str)])
    end = len(runs) if limit is None else offset + limit
    rows = [_row(run, recipe, differing) for run, recipe in zip(runs[offset:end], recipes[offset:end], strict=True)]
    return RunPage(rows=tuple(rows), offset=offset, total=len(runs))


def _recipe(run: Run) -> dict[str, Any] | str:
    """Return what may differ between recipes, or why the recipe cannot be read."""
    try:
        return {key: value for key, value in run.recipe.items() if key not in IGNORED}
    except DRAError as error:
        return error.problems[0]


def _row(run: Run, recipe: dict[str, Any] | str, differing: list[str]) -> RunRow:
    try:
        if isinstance(recipe, str):
            raise RunError(recipe)
        counts = run.query(
            "SELECT count(*) AS steps, max(step) AS last, sum(groups * size)::BIGINT AS completions, "
            "arg_max(reward, step) AS reward FROM steps WHERE mode = 'train'"
        ).to_pylist()[0]
    except DRAError as error:
        return RunRow(name=run.name, path=str(run.directory.path), state="unreadable", problem=error.problems[0])
    return RunRow(
        name=run.name,
        path=str(run.directory.path),
        state=str(run.directory.status()["state"]),
        steps=counts["steps"],
        last_step=counts["last"],
        completions=counts["completions"] or 0,
        reward=counts["reward"],
        differences={key: recipe.get(key) for key in differing if key in recipe},
        problem=next(iter(run.directory.problems()), None),
    )


def differing_keys(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys, in order, with different values; one that older recipes do not know does not count for that."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in IGNORED)
    return [key for key in keys if len({repr(recipe[key]) for recipe in recipes if key in recipe}) > 1]
