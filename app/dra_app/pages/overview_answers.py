"""What the server answers the Overview: the curves at once, then what takes longer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from dra_app.data import params as read
from dra_app.data.curves import Curves, function_curves, measure_curves
from dra_app.data.evaluation_scores import score_rows, scores
from dra_app.data.run_lines import run_lines
from dra_app.figures.evaluation_figures import SCORES, scores_figure
from dra_app.figures.overview_figures import (
    FUNCTIONS,
    FUNCTIONS_TITLE,
    PANELS,
    functions_figure,
    panel_figure,
    panel_rows,
    rows_of,
    short_name,
    shown_panels,
)
from dra_app.figures.preview import preview
from dra_app.figures.svg import csv_text
from dra_app.pages.overview_parts import facts_part, notes_part, nothing_part, runs_part
from dra_app.pages.plot_frames import frame
from dra_app.palette import Palette, palette
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.inspection.health import Note, health_notes
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    from dra_app.context import Context

Answer = dict[str, Any]
LONGEST_MEAN = 1_000
AGAIN = 0.05
"""Share of the steps that must be new before a run's health, which reads a third of its groups, is judged again."""
_notes: WeakKeyDictionary[Run, tuple[int, tuple[Note, ...]]] = WeakKeyDictionary()
_lock = threading.Lock()


def show(run: Run, params: read.Params) -> Answer:
    """Return what the run is, the frames of all figures, and the figures of the measures."""
    curves, state = measure_curves(run), str(run.directory.status()["state"])
    facts = facts_part(run, curves)
    if not len(curves.steps):
        return {"parts": {"facts": facts, "figures": nothing_part(run, state)}, "figures": {}, "state": {}}
    look, smooth = look_of(params), smooth_of(params)
    frames, figures = [], {}
    for panel in shown_panels(curves):
        legend = [(said, look[kind]) for _, said, kind in panel.lines] if len(panel.lines) > 1 else []
        frames.append(frame(panel.key, panel.title, legend, name=f"{run.name}-{panel.key}", help=panel.help))
        figures[panel.key] = panel_figure(panel, curves, look, smooth=smooth, keep=run.name)
    names = list(dict.fromkeys(name for facts in run.facts() for name in facts.reward_weights))
    frames.insert(1, frame(FUNCTIONS, FUNCTIONS_TITLE, _legend(names, look), name=f"{run.name}-functions"))
    found = scores(run)
    if found:
        frames.append(frame(SCORES, "Evaluation scores", [], name=f"{run.name}-evaluation"))
        figures[SCORES] = scores_figure(found, look, keep=run.name)
    answer: Answer = {"parts": {"facts": facts, "figures": "".join(frames)}, "figures": figures, "state": {}}
    if read.flag(params, "fresh"):
        answer["previews"] = {key: preview(figure) for key, figure in figures.items()}
    return answer


def functions(run: Run, params: read.Params) -> Answer:
    """Return the figure of the reward functions."""
    curves = function_curves(run)
    look, smooth = look_of(params), smooth_of(params)
    return {"figures": {FUNCTIONS: functions_figure(curves, look, smooth=smooth, keep=run.name)}}


def health(run: Run, params: read.Params) -> Answer:
    """Return the health notes; they are worked out again when there are more steps by a twentieth, or fewer."""
    curves = measure_curves(run)
    count = len(curves.steps)
    with _lock:
        known = _notes.get(run)
    if known is None or not known[0] <= count < 1 + known[0] * (1 + AGAIN):
        known = (
            count,
            health_notes(run, {"step": curves.steps.astype(np.float64), **curves.measures}) if count else (),
        )
        with _lock:
            _notes[run] = known
    return {"parts": {"notes": notes_part(known[1], count)}}


def known_notes(run: Run) -> str:
    """Return the health notes if they have been worked out before; nothing otherwise."""
    with _lock:
        known = _notes.get(run)
    return notes_part(known[1], len(measure_curves(run).steps)) if known else ""


def runs(context: Context, params: Any) -> Answer:
    """Return the table of runs."""
    chosen = str(params.get("run") or "") if isinstance(params, dict) else ""
    try:
        return {"parts": {"runs": runs_part(run_lines(context), chosen, len(context.run_ids()))}}
    except DRAError as error:
        return {"error": "; ".join(error.problems)}


def csv(run: Run, params: read.Params) -> Answer:
    """Return the numbers of a figure, of all steps, as CSV."""
    known = {panel.key: panel for panel in PANELS}
    key = read.choice(params, "figure", (*known, FUNCTIONS, SCORES), PANELS[0].key)
    if key == SCORES:
        rows: Any = score_rows(scores(run))
    elif key == FUNCTIONS:
        curves = function_curves(run)
        rows = rows_of(curves.steps, curves.functions)
    else:
        rows = panel_rows(known[key], _with_steps(measure_curves(run)))
    return {"csv": csv_text(rows)}


def look_of(params: read.Params) -> Palette:
    """Return the palette of the ground that the reader has."""
    return palette(read.flag(params, "dark"))


def smooth_of(params: read.Params) -> int:
    """Return over how many steps the mean is drawn; 0 leaves it to the length of the run."""
    return min(read.whole(params, "smooth", 0) or 0, LONGEST_MEAN)


def _with_steps(curves: Curves) -> Curves:
    if not len(curves.steps):
        raise RunError("no steps are recorded yet")
    return curves


def _legend(names: list[str], look: Palette) -> list[tuple[str, str]]:
    return [(short_name(name), " ".join(look.function(number))) for number, name in enumerate(names)]
