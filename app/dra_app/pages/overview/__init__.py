"""The Overview page: whether the run is well, every curve of it, and the runs beside it."""

import re
import threading
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dra_app import params as read
from dra_app.context import Context
from dra_app.figure import csv_text
from dra_app.pages import Answer, Page, evaluate
from dra_app.pages.evaluate.scores import SCORES, scores, scores_figure
from dra_app.pages.overview.figures import (
    FUNCTIONS,
    LOGGED,
    PANELS,
    functions_figure,
    logged_figures,
    look_of,
    panel_figure,
    rows_of,
)
from dra_app.pages.overview.parts import facts_parts, notes_part, nothing_part, run_lines, runs_part
from dra_app.pages.overview.scatter import axes, scatter_part
from dra_app.run_curves import function_curves, logged_curves, measure_curves
from dra_app.templates import part
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.inspection.lint.linting import lint as lint_run
from dra_toolkit.inspection.overview import Note, health_notes
from dra_toolkit.runs import Run

AGAIN = 0.05
"""Share of the steps that must be new before a run's health, which reads a third of its groups, is judged again."""
_notes: WeakKeyDictionary[Run, tuple[int, tuple[Note, ...]]] = WeakKeyDictionary()
_lock = threading.Lock()


def show(run: Run, params: read.Params) -> Answer:
    """Return what the run is, how it ended, and the curves of what was measured of its groups."""
    found, status = measure_curves(run, read.mode(params)), run.directory.status()
    parts = facts_parts(run, found, status)
    if not len(found.steps):
        return {"parts": {**parts, "figures": nothing_part(run, status["state"]), "functions": ""}, "state": {}}
    look = look_of(params)
    figures = [panel_figure(panel, found, look, run.name) for panel in PANELS]
    evaluated = scores(run)
    figures += [scores_figure(evaluated, run.name)] if evaluated else []
    answer: Answer = {"parts": parts | {"figures": "".join(figures)}, "state": {}}
    try:
        axes(run, params)
    except RunError as error:  # the points are folded away: what the address says of them is told at once
        answer |= {"error": "; ".join(error.problems), "state": {"x": "", "y": ""}}
    return answer


def functions(run: Run, params: read.Params) -> Answer:
    """Return the figure of the reward functions."""
    return {
        "parts": {"functions": functions_figure(function_curves(run, read.mode(params)), look_of(params), run.name)}
    }


def scatter(run: Run, params: read.Params) -> Answer:
    """Return two numbers of completions against each other."""
    return {"parts": {"scatter": scatter_part(run, params)}}


def logged(run: Run, params: read.Params) -> Answer:
    """Return a figure for every metric that the trainer logged, in sections."""
    sections = logged_figures(logged_curves(run), look_of(params), run.name)
    return {"parts": {"logged": "".join(part("overview", "section", *each) for each in sections.items())}}


def lint(run: Run, params: read.Params) -> Answer:
    """Return what is broken in the groups of the run, as `dra lint` finds it; every group is read for it."""
    found = lint_run(run.directory.path)
    places = [re.match(r"(train|eval) step (\d+)", each.example) for each in found.findings]
    return {"parts": {"lint": part("overview", "lint", found, list(zip(found.findings, places, strict=True)))}}


def health(run: Run, params: read.Params) -> Answer:
    """Return the health notes; they are worked out again when there are more steps by a twentieth, or fewer."""
    found = measure_curves(run)
    count = len(found.steps)
    with _lock:
        known = _notes.get(run)
    if known is None or not known[0] <= count < 1 + known[0] * (1 + AGAIN):
        known = (count, health_notes(run, {"step": found.steps.astype(np.float64), **found.columns}) if count else ())
        with _lock:
            _notes[run] = known
    return {"parts": {"notes": notes_part(known[1], found)}}


def runs(context: Context, params: Any) -> Answer:
    """Return the table of runs."""
    try:
        return {"parts": {"runs": runs_part(run_lines(context), str(params.get("run") or ""), len(context.run_ids()))}}
    except DRAError as error:
        return {"error": "; ".join(error.problems)}


def csv(run: Run, params: read.Params) -> Answer:
    """Return the numbers of a figure, of all steps, as CSV."""
    key, mode = str(params.get("figure") or ""), read.mode(params)
    if key.startswith(LOGGED):
        known = logged_curves(run)
        metric = read.choice({"figure": key.removeprefix(LOGGED)}, "figure", tuple(known), "")
        return {"csv": csv_text(rows_of(known[metric][0], {metric: known[metric][1]}))}
    panels = {panel.key: panel for panel in PANELS}
    key = read.choice(params, "figure", (*panels, FUNCTIONS, SCORES), PANELS[0].key)
    if key == SCORES:
        return evaluate.csv(run, {})
    found = function_curves(run, mode) if key == FUNCTIONS else measure_curves(run, mode)
    if not len(found.steps):
        raise RunError("no steps are recorded yet")
    names = list(found.columns) if key == FUNCTIONS else [name for name, _, _ in panels[key].lines]
    return {
        "csv": csv_text(rows_of(found.steps, {name: found.columns[name] for name in names if name in found.columns}))
    }


PAGE = Page(
    title="Overview",
    place=0,
    keys=("mode", "smooth", "from", "to", "x", "y"),
    questions=(show, functions, logged, scatter, lint, health, csv),
    context_questions=(runs,),
)
