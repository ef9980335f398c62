"""What the Overview says beside its curves: health, how a run ended, what it is, the other runs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from markupsafe import Markup

from dra_app.context import Context
from dra_app.palette import colour
from dra_app.run_curves import Curves, measure_curves
from dra_app.templates import part
from dra_toolkit.drawing.curves import sparkline
from dra_toolkit.errors import DRAError
from dra_toolkit.groups import Array, mean_of_known
from dra_toolkit.inspection.health import FEWEST_STEPS, Note
from dra_toolkit.inspection.overview import SHOWN_SETTINGS, differing_keys
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

MOST_RUNS = 40
"""Runs that are looked into, the most recently written; the others are there by name in the bar."""
MOST_DIFFERENCES = 6
MOST_PROBLEMS = 5
MOST_EQUAL = 0.3
"""Share of groups of equal rewards from which on nothing is called well."""
LOG_LINES = 30
_ENDED_BADLY = ("failed", "killed", "unreadable")
_GOES_ON = ("running", "starting")
_ERROR = re.compile(r"(\[rank\d+\]: ?)?(error: |[\w.]*(Error|Exception|Interrupt)\b)")


def notes_part(notes: Sequence[Note], curves: Curves) -> Markup:
    """Return the health notes, or that there are none; never that all is well where most groups teach nothing."""
    steps = len(curves.steps)
    late = mean_of_known(curves.columns.get("zero_spread", np.zeros(0))[-max(1, steps // 3) :])
    return part("overview", "notes", notes, steps, FEWEST_STEPS, late, MOST_EQUAL)


def end_part(run: Run, status: Mapping[str, Any]) -> str:
    """Return why a run that failed or was killed ended: what is known of the reason, and the end of its log."""
    if status["state"] not in _ENDED_BADLY:
        return ""
    attempt = run.directory.last_attempt()
    logs = sorted(run.directory.attempt_logs(attempt).glob("output*.log"))
    lines = [line for log in logs for line in _last_lines(log)]
    reason = str(status.get("error") or status.get("reason") or _reason(lines))
    return part("overview", "end", run.name, status["state"], attempt, reason, visible("\n".join(lines)))


def _last_lines(log: Path) -> list[str]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 65_536))
            return file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


def _reason(lines: Sequence[str]) -> str:
    """Return the last line of a log that begins as an error does, as the last line of a traceback."""
    return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else "")


def _clock(run: Run, status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return when the run last wrote and, while it goes on, how long it still takes at the pace of its last steps."""
    rows = [row for row in run.metrics()[-50:] if isinstance(row.get("time"), int | float)]
    last = max([float(row["time"]) for row in rows[-1:]] + [float(status.get("time") or 0)])
    said = [(f"{_ago(time.time() - last)} ago", "last written")] if last else []
    end = run.recipe.training.max_steps
    if status["state"] in _GOES_ON and len(rows) > 1 and end > 0:
        done = rows[-1]["step"] - rows[0]["step"]
        pace = (rows[-1]["time"] - rows[0]["time"]) / done if done > 0 else 0.0
        left = end - rows[-1]["step"]
        said += [(_ago(pace * left), f"left, {left:,} steps")] if pace and left > 0 else []
    return said


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def facts_part(run: Run, curves: Curves, status: Mapping[str, Any]) -> Markup:
    """Return what the run is: how far, and the settings that matter."""
    sizes, flips = (curves.columns.get(name, np.zeros(0)) for name in ("size", "flips"))
    completions = round(float(np.nansum(sizes * curves.groups))) if len(sizes) else 0
    numbers = [(len(curves.steps), "steps"), (int(curves.groups.sum()), "groups"), (completions, "completions")]
    numbers += [(int(np.nansum(flips)), "sign flips")] if len(flips) else []
    counts = [*((f"{value:,}", said) for value, said in numbers), *_clock(run, status)]
    is_known = status["state"] != "imported"  # an import's recipe holds defaults that its trainer never had
    said = {key: _value(value) for key, value in run.recipe.items() if is_known and value not in (None, "", -1)}
    settings = [(key, said[key]) for key in SHOWN_SETTINGS if key in said]
    lines = [f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())]
    more = [f"and {len(lines) - MOST_PROBLEMS} more files"] if len(lines) > MOST_PROBLEMS else []
    return part("overview", "facts", counts, settings, list(said.items()), lines[:MOST_PROBLEMS] + more)


def nothing_part(run: Run, state: str) -> Markup:
    """Return what is shown in place of the curves of a run without groups."""
    return part("overview", "nothing", run.name, state in (*_GOES_ON, "not started"))


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
    known = logged if len(logged) or not steps else measure_curves(run).columns.get("reward", logged)
    return RunLine(
        run_id=run.name,
        state=str(run.directory.status()["state"]),
        last_step=steps[-1] if steps else None,
        reward=known if steps else np.zeros(0),
        recipe=recipe,
        problem=next(iter(run.directory.problems()), ""),
        stamp=stamp,
    )


def runs_part(lines: Sequence[RunLine], chosen: str, total: int) -> str:
    """Return the table of runs."""
    return part("overview", "runs", list(map(_row, lines)), chosen, total - len(lines)) if total > 1 else ""


def _row(line: RunLine) -> tuple[RunLine, float | None, str, list[tuple[str, str]], list[tuple[str, str]]]:
    """Return a run with its last reward, its rewards as a curve, in what it differs, and what of that has no room."""
    differences = [(key, _value(value)) for key, value in line.differences.items()]
    known = line.reward[~np.isnan(line.reward)]
    curve = sparkline(line.reward, colour("raw"))
    last = float(known[-1]) if len(known) else None
    return line, last, curve, differences[:MOST_DIFFERENCES], differences[MOST_DIFFERENCES:]


def _value(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return visible(shown, one_line=True)[:60]
