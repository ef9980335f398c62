"""The Overview as HTML: health notes, what the run is, the table of runs. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dra_app.data.curves import Curves
from dra_app.data.run_lines import RunLine
from dra_app.figures.sparkline import sparkline
from dra_app.figures.svg import escaped, short
from dra_toolkit.inspection.health import FEWEST_STEPS, Note
from dra_toolkit.inspection.overview import SHOWN_SETTINGS
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

MOST_DIFFERENCES = 6
MOST_PROBLEMS = 5


def notes_part(notes: Sequence[Note], steps: int) -> str:
    """Return the health notes, or that there are none."""
    if notes:
        return f'<div class="dra-notes">{"".join(map(_note, notes))}</div>'
    if steps == 0:
        return ""
    if steps < FEWEST_STEPS:
        return f'<p class="dra-note dra-health">Health is judged from {FEWEST_STEPS} steps on.</p>'
    return '<p class="dra-note dra-health"><b>✓</b> No problem that two independent signs agree on.</p>'


def _note(note: Note) -> str:
    signs = "".join(
        f"<li>{escaped(sign.what)} <b>{short(sign.before)} → {short(sign.after)}</b></li>" for sign in note.signs
    )
    return (
        f'<article class="dra-health-note"><h4>⚠ {escaped(note.name)}</h4><p>{escaped(note.says)}</p><ul>{signs}</ul>'
        f'<p class="advice">{escaped(note.advice)}</p></article>'
    )


def facts_part(run: Run, curves: Curves) -> str:
    """Return what the run is: how far, and the settings that matter."""
    flips = curves.measures.get("flips", np.zeros(0))
    groups = int(curves.groups.sum())
    sizes = curves.measures.get("size", np.zeros(0))
    completions = round(float(np.nansum(sizes * curves.groups))) if len(sizes) else 0
    counts = [(f"{len(curves.steps):,}", "steps"), (f"{groups:,}", "groups"), (f"{completions:,}", "completions")]
    if len(flips):
        counts.append((f"{int(np.nansum(flips)):,}", "sign flips"))
    numbers = "".join(f"<span><b>{value}</b> {said}</span>" for value, said in counts)
    settings = "".join(
        f"<span><i>{escaped(key)}</i> {escaped(_value(run.recipe[key]))}</span>"
        for key in SHOWN_SETTINGS
        if run.recipe.get(key) is not None
    )
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
    last = short(float(known[-1])) if len(known) else "–"  # noqa: RUF001 - an en dash stands for nothing known
    run = escaped(line.run_id)
    link = f'<a href="?page=overview&amp;run={run}" data-run="{run}">{run}</a>'
    state = f'<span class="dra-state" data-state="{escaped(line.state)}">{escaped(line.state)}</span>'
    detail = listed
    if line.problem:
        detail = f'<span class="dra-problem">{escaped(visible(line.problem, one_line=True))}</span>'
    step = f"{line.last_step:,}" if line.last_step is not None else "–"  # noqa: RUF001
    return (
        f'<tr{" class=chosen" if is_chosen else ""}><th scope="row">{link}</th><td>{state}</td><td>{step}</td>'
        f'<td>{last}</td><td>{sparkline(line.reward)}</td><td><div class="differences">{detail}</div></td></tr>'
    )


def _value(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return visible(shown, one_line=True)[:60]
