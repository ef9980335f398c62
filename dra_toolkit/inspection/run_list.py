"""The runs of a folder, each in a row."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.inspection.selection import Page
from dra_toolkit.runs import Run, find_runs


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a folder.

    steps        training steps with recorded groups
    completions  recorded to train on
    reward       mean raw reward of the last recorded step
    differences  recipe keys whose values are not the same in all runs of the folder
    problem      why the run cannot be read, if it cannot
    """

    name: str
    path: str
    state: str
    steps: int = 0
    last_step: int | None = None
    completions: int = 0
    reward: float | None = None
    differences: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def list_runs(root: Path, *, limit: int | None = None, offset: int = 0) -> Page[RunRow]:
    """Return a page of the runs directly under a folder, the most recently written first.

    The recipes of all runs are read, the groups only of those on the page.
    """
    runs = [Run(directory) for directory in reversed(find_runs(root))]
    recipes = []
    for run in runs:
        with contextlib.suppress(DRAError):  # told in its row
            recipes.append(run.recipe)
    differing = differing_keys(recipes)
    rows = tuple(_row(run, differing) for run in runs[offset : None if limit is None else offset + limit])
    return Page(rows=rows, offset=offset, total=len(runs))


def _row(run: Run, differing: list[str]) -> RunRow:
    try:
        recipe = run.recipe
        counts = run.query(
            "SELECT count(*) AS steps, max(step) AS last_step, coalesce(sum(groups * size), 0)::BIGINT AS completions, "
            "arg_max(reward, step) AS reward FROM steps WHERE mode = 'train'"
        ).to_pylist()[0]
    except DRAError as error:
        return RunRow(name=run.name, path=str(run.directory.path), state="unreadable", problem=error.problems[0])
    return RunRow(
        name=run.name,
        path=str(run.directory.path),
        state=str(run.directory.status()["state"]),
        **counts,
        differences={key: recipe.get(key) for key in differing if key in recipe},
        problem=next(iter(run.directory.problems()), None),
    )
