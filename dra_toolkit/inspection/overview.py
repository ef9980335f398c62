"""A run at a glance: what it was asked to do, and the mean of every measure at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.health import Curves, Note, health_notes
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.runs import Run

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
