"""The Overview as HTML: health notes, what the run is, the table of runs. Everything is escaped."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from dra_app.pages.overview.run_table import RunLine
from dra_app.palette import colour
from dra_app.run_curves import Curves
from dra_toolkit.drawing.curves import sparkline
from dra_toolkit.drawing.numbers import NOT_KNOWN, percent, short
from dra_toolkit.drawing.svg import escaped, one_line
from dra_toolkit.groups import mean_of_known
from dra_toolkit.inspection.health import FEWEST_STEPS, Note
from dra_toolkit.inspection.overview import SHOWN_SETTINGS
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

MOST_DIFFERENCES = 6
MOST_PROBLEMS = 5
MOST_EQUAL = 0.3
"""Share of groups of equal rewards from which on nothing is called well."""
LOG_LINES = 30
_ENDED_BADLY = ("failed", "killed", "unreadable")
_GOES_ON = ("running", "starting")


def notes_part(notes: Sequence[Note], curves: Curves) -> str:
    """Return the health notes, or that there are none; never that all is well where most groups teach nothing."""
    steps = len(curves.steps)
    if notes:
        return f'<div class="dra-notes">{"".join(map(_note, notes))}</div>'
    if steps == 0:
        return ""
    if steps < FEWEST_STEPS:
        return f'<p class="dra-note dra-health">Health is judged from {FEWEST_STEPS} steps on.</p>'
    late = mean_of_known(curves.measures.get("zero_spread", np.zeros(0))[-max(1, steps // 3) :])
    if late > MOST_EQUAL:
        return (
            f'<p class="dra-note dra-health">In the last third of the steps {percent(late, 0)} of the groups have equal raw '
            "rewards: without an adjustment they teach nothing. No second sign says that this is a problem.</p>"
        )
    return '<p class="dra-note dra-health"><b>✓</b> No problem that two independent signs agree on.</p>'


def _note(note: Note) -> str:
    signs = "".join(
        f"<li>{escaped(sign.what)} <b>{short(sign.before)} → {short(sign.after)}</b></li>" for sign in note.signs
    )
    return (
        f'<article class="dra-health-note"><h4>⚠ {escaped(note.name)}</h4><p>{escaped(note.says)}</p><ul>{signs}</ul>'
        f'<p class="advice">{escaped(note.advice)}</p></article>'
    )


def section(name: str, figures: Sequence[str]) -> str:
    """Return figures under a heading that folds."""
    return (
        f'<details class="dra-section" open><summary><h4>{escaped(name)}</h4> <span class="dra-note">{len(figures)}</span>'
        f'</summary><div class="dra-plots">{"".join(figures)}</div></details>'
    )


def end_part(run: Run, status: Mapping[str, Any]) -> str:
    """Return why a run that failed or was killed ended: what is known of the reason, and the end of its log."""
    if status["state"] not in _ENDED_BADLY:
        return ""
    directory = run.directory
    attempt = directory.last_attempt()
    logs = sorted(directory.attempt_logs(attempt).glob("output*.log"))
    lines = [line for log in logs for line in _last_lines(log)]
    reason = str(status.get("error") or status.get("reason") or _reason(lines))
    said = f"<b>{escaped(status['state'])}</b> in attempt {attempt}" + (f": {one_line(reason, 400)}" if reason else "")
    shown = escaped(visible("\n".join(lines))) or "Nothing was printed."
    return (
        f'<div class="dra-message" role="status">{said}<details><summary>end of the log</summary><pre>{shown}</pre>'
        f"</details><span>Go on from its last checkpoint: <code>dra train {one_line(run.name)} --resume</code></span></div>"
    )


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


_ERROR = re.compile(r"(\[rank\d+\]: ?)?(error: |[\w.]*(Error|Exception|Interrupt)\b)")


def _clock(run: Run, status: Mapping[str, Any], steps: int) -> list[tuple[str, str]]:
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


def facts_part(run: Run, curves: Curves, status: Mapping[str, Any]) -> str:
    """Return what the run is: how far, and the settings that matter."""
    flips = curves.measures.get("flips", np.zeros(0))
    groups = int(curves.groups.sum())
    sizes = curves.measures.get("size", np.zeros(0))
    completions = round(float(np.nansum(sizes * curves.groups))) if len(sizes) else 0
    counts = [(f"{len(curves.steps):,}", "steps"), (f"{groups:,}", "groups"), (f"{completions:,}", "completions")]
    if len(flips):
        counts.append((f"{int(np.nansum(flips)):,}", "sign flips"))
    counts += _clock(run, status, len(curves.steps))
    numbers = "".join(f"<span><b>{value}</b> {said}</span>" for value, said in counts)
    said = {key: value for key, value in run.recipe.items() if value not in (None, "", -1)}
    is_known = status["state"] != "imported"  # an import's recipe holds defaults that its trainer never had
    settings = "".join(
        f"<span><i>{escaped(key)}</i> {escaped(_value(said[key]))}</span>"
        for key in SHOWN_SETTINGS
        if is_known and key in said
    )
    whole = "\n".join(f"{key}: {_value(value)}" for key, value in said.items())
    if is_known:
        settings += f'<details class="dra-recipe"><summary>all settings</summary><pre>{escaped(whole)}</pre></details>'
    problems = run.problems
    lines = [f"groups/{name}: {why}; skipped" for name, why in sorted(problems.items())]
    more = [f"and {len(lines) - MOST_PROBLEMS} more files"] if len(lines) > MOST_PROBLEMS else []
    listed = "".join(f"<li>{escaped(visible(line, one_line=True))}</li>" for line in lines[:MOST_PROBLEMS] + more)
    damaged = f'<div class="dra-message" role="status">Files that were skipped:<ul>{listed}</ul></div>' if lines else ""
    return f'<div class="dra-facts">{numbers}</div><div class="dra-settings">{settings}</div>{damaged}'


def nothing_part(run: Run, state: str) -> str:
    """Return what is shown in place of the curves of a run without groups."""
    if state in ("running", "starting", "not started"):
        said = "The curves appear by themselves when the first step has been sampled."
    else:
        said = "Train it further with <code>dra train RECIPE --resume</code>, or choose another run above."
    return f'<p class="dra-empty">No training groups are recorded in <b>{escaped(run.name)}</b> yet. {said}</p>'


def runs_part(lines: Sequence[RunLine], chosen: str, total: int) -> str:
    """Return the table of runs."""
    if total < 2:
        return ""
    body = "".join(_run_row(line, line.run_id == chosen) for line in lines)
    heads = "".join(
        f'<th scope="col">{said}</th>' for said in ("run", "state", "steps", "reward", "raw reward", "differs in")
    )
    rest = (
        f'<p class="dra-note">{total - len(lines)} older runs are in the list above.</p>' if total > len(lines) else ""
    )
    return (
        f'<div class="dra-scroll dra-runs-box"><table class="dra-runs"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody>'
        f"</table></div>{rest}"
    )


def _run_row(line: RunLine, is_chosen: bool) -> str:
    differences = list(line.differences.items())
    listed = "".join(
        f"<span><i>{escaped(key)}</i> {escaped(_value(value))}</span>" for key, value in differences[:MOST_DIFFERENCES]
    )
    if len(differences) > MOST_DIFFERENCES:
        everything = "\n".join(f"{key}: {_value(value)}" for key, value in differences)
        listed += f'<span title="{escaped(everything)}">+{len(differences) - MOST_DIFFERENCES} more</span>'
    known = line.reward[~np.isnan(line.reward)]
    last = short(float(known[-1])) if len(known) else NOT_KNOWN
    run = escaped(line.run_id)
    link = f'<a href="?page=overview&amp;run={escaped(quote(line.run_id))}" data-run="{run}" title="{run}">{run}</a>'
    state = f'<span class="dra-state" data-state="{escaped(line.state)}">{escaped(line.state)}</span>'
    detail, curve = listed, sparkline(line.reward, colour("raw"))
    if line.problem:
        detail = f'<span class="dra-problem">{escaped(visible(line.problem, one_line=True))}</span>'
    step = f"{line.last_step:,}" if line.last_step is not None else NOT_KNOWN
    return (
        f'<tr{" class=chosen" if is_chosen else ""}><th scope="row">{link}</th><td>{state}</td><td>{step}</td>'
        f'<td>{last}</td><td>{curve}</td><td><div class="differences">{detail}</div></td></tr>'
    )


def _value(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return visible(shown, one_line=True)[:60]
