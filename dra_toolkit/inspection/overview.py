"""A run at a glance, and the runs of a folder: what they were asked to do, and the mean of every measure at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.health import Curves, Note, health_notes
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.runs import Run, find_runs

STEP_MEASURES = tuple(name for name in GROUP_MEASURES if name != "flips")
"""What a step has the mean of, over its groups; flips are added up."""
SHOWN_SETTINGS = flagged("in_summary")


@dataclass(frozen=True, kw_only=True)
class StepOverview:
    """One step in numbers."""

    step: int
    groups: int
    flips: int
    """Completions whose advantage has the other sign than it would have without the adjustment."""
    means: dict[str, float]
    """By the names of `STEP_MEASURES`; NaN where nothing was measured."""

    def __getitem__(self, measure: str) -> float:
        return float(self.flips) if measure == "flips" else self.means[measure]


@dataclass(frozen=True, kw_only=True)
class RunOverview:
    """A run at a glance."""

    name: str
    state: str
    settings: dict[str, Any]
    """What a reader wants to know of the recipe."""
    completions: int
    """Recorded completions of every mode."""
    steps: tuple[StepOverview, ...]
    """Training steps, ascending."""
    notes: tuple[Note, ...]
    """What two independent signs say is wrong."""
    problems: tuple[str, ...]
    """One line for each file that was skipped, and why."""


def summarise(run: Run) -> RunOverview:
    """Return the run at a glance; only the groups' measures are read, so its size hardly matters."""
    steps = look_at_steps(run)
    sizes = run.query("SELECT sum(size)::BIGINT AS completions FROM groups")
    return RunOverview(
        name=run.name,
        state=str(run.directory.status()["state"]),
        settings={key: run.recipe[key] for key in SHOWN_SETTINGS if key in run.recipe},
        completions=sizes.column(0)[0].as_py() or 0,
        steps=steps,
        notes=health_notes(run, curves_of(steps)),
        problems=(
            *run.directory.problems(),
            *(f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())),
        ),
    )


def look_at_steps(run: Run, mode: Mode = "train") -> tuple[StepOverview, ...]:
    """Return every step of a mode in numbers, ascending."""
    rows = run.query("SELECT * FROM steps WHERE mode = $1 ORDER BY step", [mode]).to_pylist()
    return tuple(
        StepOverview(
            step=row["step"],
            groups=row["groups"],
            flips=int(row["flips"]),
            means={name: float("nan") if row[name] is None else float(row[name]) for name in STEP_MEASURES},
        )
        for row in rows
    )


def curves_of(steps: Sequence[StepOverview]) -> Curves:
    """Return each measure as one array over the steps."""
    return {
        "step": np.array([step.step for step in steps], dtype=np.float64),
        **{name: np.array([step.means[name] for step in steps]) for name in STEP_MEASURES},
    }


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
