"""What the Overview says beside its curves: health, how a run ended, what it is, the other runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from markupsafe import Markup

from dra_app.context import Context
from dra_app.pages.overview.ending import GOES_ON, attempts_of, end_part, last_word, written
from dra_app.palette import colour
from dra_app.run_curves import Curves, measure_curves
from dra_app.templates import part
from dra_toolkit.drawing.curves import sparkline
from dra_toolkit.errors import DRAError
from dra_toolkit.groups import Array, mean_of_known
from dra_toolkit.inspection.overview import FEWEST_STEPS, SHOWN_SETTINGS, Note, differing_keys
from dra_toolkit.runs import Run

MOST_RUNS = 40
"""Runs that are looked into, the most recently written; the others are there by name in the bar."""
MOST_DIFFERENCES = 4
MOST_PROBLEMS = 5
MOST_EQUAL = 0.3
"""Share of groups of equal rewards from which on nothing is called well."""


def notes_part(notes: Sequence[Note], curves: Curves) -> Markup:
    """Return the health notes, or that there are none; never that all is well where most groups teach nothing."""
    steps = len(curves.steps)
    late = mean_of_known(curves.columns.get("zero_spread", np.zeros(0))[-max(1, steps // 3) :])
    return part("overview", "notes", notes, steps, FEWEST_STEPS, late, MOST_EQUAL)


def facts_parts(run: Run, curves: Curves, status: Mapping[str, Any]) -> dict[str, str]:
    """Return what the run is: how far, the settings that matter, and how it ended if that was not well."""
    sizes, flips = (curves.columns.get(name, np.zeros(0)) for name in ("size", "flips"))
    completions = round(float(np.nansum(sizes * curves.groups))) if len(sizes) else 0
    numbers = [(len(curves.steps), "steps"), (int(curves.groups.sum()), "groups"), (completions, "completions")]
    numbers += [(int(np.nansum(flips)), "sign flips")] if len(flips) else []
    counts = [(f"{value:,}", said if value != 1 else said[:-1]) for value, said in numbers]
    is_known = status["state"] != "imported"  # an import's recipe holds defaults that its trainer never had
    said = {key: written(value) for key, value in run.recipe.items() if is_known and value not in (None, "", -1)}
    settings = [(key, said[key]) for key in SHOWN_SETTINGS if key in said]
    lines = [f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())]
    more = [f"and {len(lines) - MOST_PROBLEMS} more files"] if len(lines) > MOST_PROBLEMS else []
    end, attempts = end_part(run, status), attempts_of(run)
    earlier = attempts if len(attempts) > 1 and not end else []  # else they stand where it is told how the run ended
    told = (counts, last_word(run, status), settings, list(said.items()), lines[:MOST_PROBLEMS] + more, earlier)
    return {"facts": part("overview", "facts", *told), "end": end}


def nothing_part(run: Run, state: str) -> Markup:
    """Return what is shown in place of the curves of a run without groups."""
    return part("overview", "nothing", run.name, state in (*GOES_ON, "not started"))


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run of the table."""

    run_id: str
    state: str = "unreadable"
    last_step: int | None = None
    reward: Array = field(default_factory=lambda: np.zeros(0))
    """Mean raw reward at each logged step, or at each recorded one where nothing was logged."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    stamp: str = ""
    """What the run's files were when it was read."""
    differences: Mapping[str, Any] = field(default_factory=dict)
    """Recipe keys with different values among the runs shown."""


_known: WeakKeyDictionary[Context, dict[str, RunLine]] = WeakKeyDictionary()


def run_lines(context: Context) -> list[RunLine]:
    """Return the runs, the most recently written first; a run is read again only if something was written to it."""
    old, new = _known.get(context, {}), dict[str, RunLine]()
    for run_id in context.run_ids()[:MOST_RUNS]:
        try:
            stamp = context.stamp(run_id)
            known = old.get(run_id)
            new[run_id] = known if known and known.stamp == stamp else _read(context.run(run_id), stamp)
        except DRAError as error:
            new[run_id] = RunLine(run_id=run_id, problem=error.problems[0])
    _known[context] = new
    differing = differing_keys([line.recipe for line in new.values() if line.stamp])
    return [
        replace(line, differences={key: line.recipe[key] for key in differing if key in line.recipe})
        for line in new.values()
    ]


def _read(run: Run, stamp: str) -> RunLine:
    recipe, steps = dict(run.recipe), run.steps()
    logged = np.array([row["reward"] for row in run.metrics() if isinstance(row.get("reward"), float)])
    known = RunLine(run_id=run.name, state=str(run.directory.status()["state"]), recipe=recipe, stamp=stamp)
    known = replace(known, problem=next(iter(run.directory.problems()), ""))
    if not steps:
        return known
    reward = logged if len(logged) else measure_curves(run).columns.get("reward", logged)
    return replace(known, last_step=steps[-1], reward=reward)


def runs_part(lines: Sequence[RunLine], chosen: str, total: int) -> str:
    """Return the table of runs."""
    return part("overview", "runs", list(map(_row, lines)), chosen, total - len(lines)) if total > 1 else ""


def _row(line: RunLine) -> tuple[RunLine, float | None, str, list[tuple[str, str]], list[tuple[str, str]]]:
    """Return a run with its last reward, its rewards as a curve, in what it differs, and what of that has no room."""
    differences = [(key, written(value)) for key, value in line.differences.items()]
    known = line.reward[~np.isnan(line.reward)]
    curve = sparkline(line.reward, colour("raw"))
    last = float(known[-1]) if len(known) else None
    return line, last, curve, differences[:MOST_DIFFERENCES], differences[MOST_DIFFERENCES:]
