"""A run at a glance, and the runs of a folder: what they were asked to do, and the mean of every measure at each step."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.inspection.health import Note, health_notes
from dra_toolkit.inspection.selection import Page
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.runs import Run, find_runs

SHOWN_SETTINGS = flagged("in_summary")


@dataclass(frozen=True, kw_only=True)
class StepOverview:
    """One step: the means of `GROUP_MEASURES` over its groups, NaN where nothing was measured; flips are added up."""

    step: int
    groups: int
    flips: int
    means: dict[str, float]

    def __getitem__(self, measure: str) -> float:
        return self.means[measure]


@dataclass(frozen=True, kw_only=True)
class RunOverview:
    """A run at a glance.

    settings     what a reader wants to know of the recipe
    completions  recorded completions of every mode
    steps        training steps, ascending
    notes        what two independent signs say is wrong
    problems     one line for each file that was skipped, and why
    """

    name: str
    state: str
    settings: dict[str, Any]
    completions: int
    steps: tuple[StepOverview, ...]
    notes: tuple[Note, ...]
    problems: tuple[str, ...]


def summarise(run: Run) -> RunOverview:
    """Return the run at a glance; only the groups' measures are read, so its size hardly matters."""
    return RunOverview(
        name=run.name,
        state=str(run.directory.status()["state"]),
        settings={key: run.recipe.get(key, "unknown") for key in SHOWN_SETTINGS},
        completions=run.query("SELECT sum(size)::BIGINT FROM groups").column(0)[0].as_py() or 0,
        steps=tuple(
            StepOverview(
                step=row["step"],
                groups=row["groups"],
                flips=int(row["flips"]),
                means={name: float("nan") if row[name] is None else float(row[name]) for name in GROUP_MEASURES},
            )
            for row in run.query("SELECT * FROM steps WHERE mode = 'train' ORDER BY step").to_pylist()
        ),
        notes=health_notes(run),
        problems=(
            *run.directory.problems(),
            *filter(None, [run.texts_left_out()]),
            *(f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())),
        ),
    )


IGNORED = ("output_dir", "run_name", "logging_dir")
"""Keys that differ between any two runs."""


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


def differing_keys(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys, in order, with different values; one that older recipes do not know does not count for that."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in IGNORED)
    return [key for key in keys if len({repr(recipe[key]) for recipe in recipes if key in recipe}) > 1]
