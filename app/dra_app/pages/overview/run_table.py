"""The runs as a table: how each stands, in what its recipe differs from the others, and its reward as a small curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from dra_app.run_curves import measure_curves
from dra_toolkit.errors import DRAError
from dra_toolkit.groups import Array
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    from dra_app.context import Context

MOST_RUNS = 40
"""Runs that are looked into, the most recently written; the others are there by name in the bar."""


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run of the table."""

    run_id: str
    state: str
    last_step: int | None = None
    reward: Array
    """Mean raw reward at each logged step, or at each recorded one where nothing was logged."""
    differences: dict[str, Any]
    """Recipe keys with different values among the runs shown."""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What was read of a run, and the stamp that it had."""

    stamp: str
    line: RunLine
    recipe: dict[str, Any] | None


_known: WeakKeyDictionary[Context, dict[str, _Known]] = WeakKeyDictionary()


def run_lines(context: Context) -> list[RunLine]:
    """Return the runs, the most recently written first; a run is read again only if something was written to it."""
    old, new = _known.get(context, {}), dict[str, _Known]()
    for run_id in context.run_ids()[:MOST_RUNS]:
        try:
            stamp = context.stamp(run_id)
            known = old.get(run_id)
            new[run_id] = known if known and known.stamp == stamp else _read(context, run_id, stamp)
        except DRAError as error:
            new[run_id] = _Known(stamp="", line=_broken(run_id, error.problems[0]), recipe=None)
    _known[context] = new
    differing = differing_keys([known.recipe for known in new.values() if known.recipe is not None])
    return [
        replace(known.line, differences={key: known.recipe[key] for key in differing if key in known.recipe})
        if known.recipe is not None
        else known.line
        for known in new.values()
    ]


def _read(context: Context, run_id: str, stamp: str) -> _Known:
    run = context.run(run_id)
    recipe = dict(run.recipe)
    steps = run.steps()
    line = RunLine(
        run_id=run_id,
        state=str(run.directory.status()["state"]),
        last_step=steps[-1] if steps else None,
        reward=_rewards(run) if steps else np.zeros(0),
        differences={},
        problem=next(iter(run.directory.problems()), ""),
    )
    return _Known(stamp=stamp, line=line, recipe=recipe)


def _rewards(run: Run) -> Array:
    """Return what was logged, which is one small file; what was recorded only where that is missing."""
    logged = [row["reward"] for row in run.metrics() if isinstance(row.get("reward"), float)]
    return np.array(logged) if logged else measure_curves(run).columns.get("reward", np.zeros(0))


def _broken(run_id: str, problem: str) -> RunLine:
    return RunLine(run_id=run_id, state="unreadable", reward=np.zeros(0), differences={}, problem=problem)
