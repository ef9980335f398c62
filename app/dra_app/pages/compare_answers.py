"""What the server answers the Compare page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_app.data import params as read
from dra_app.data.compared import side_of
from dra_app.data.curves import measure_curves
from dra_app.figures.overview_figures import COMPARED, compared_figure, compared_rows
from dra_app.figures.svg import csv_text
from dra_app.pages.compare_parts import prompt_part, prompts_part, settings_part
from dra_app.pages.overview_answers import look_of, smooth_of
from dra_app.pages.plot_frames import frame
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.comparison import compare
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    from dra_app.context import Context

Answer = dict[str, Any]


def answered(context: Context, answer: Callable[[Run, Run, read.Params], Answer], params: Any) -> Answer:
    """Return what `answer` says of the two runs of a request, or the mistake in it, or that there is no second run."""
    if not isinstance(params, dict):
        return {"error": "expected the values of a request by their names"}
    try:
        left = context.run(str(params.get("run") or ""))
        ids = [run_id for run_id in context.run_ids() if run_id != left.name]
        if not ids:
            return {"parts": {"figures": _ALONE}, "others": []}
        right = context.run(str(params.get("other") or ids[0]))
        return {**answer(left, right, params), "others": ids, "state": {"run": left.name, "other": right.name}}
    except DRAError as error:
        return {"error": "; ".join(error.problems)}


_ALONE = (
    '<p class="dra-empty">There is one run here. Train a second one with another setting, for example '
    "<code>dra train recipes/quickstart.yaml diversity=none</code>, and it can be laid over this one.</p>"
)


def show(left: Run, right: Run, params: read.Params) -> Answer:
    """Return the curves of both runs."""
    look, smooth = look_of(params), smooth_of(params)
    both = measure_curves(left), measure_curves(right)
    frames, figures = [], {}
    for panel in COMPARED:
        values = [curves.measures.get(panel.lines[0][0], np.zeros(0)) for curves in both]
        if not any(np.isfinite(each).any() for each in values):
            continue
        name = f"{left.name}-and-{right.name}-{panel.key}"
        frames.append(frame(panel.key, panel.title, [], name=name, help=panel.help))
        figures[panel.key] = compared_figure(panel, both, (left.name, right.name), look, smooth=smooth)
    if not frames:
        frames = ['<p class="dra-empty">Neither run has recorded a step yet.</p>']
    return {"parts": {"figures": "".join(frames)}, "figures": figures}


def prompts(left: Run, right: Run, params: read.Params) -> Answer:
    """Return in what the recipes differ, and the prompts that both runs saw, the largest gaps first."""
    found = compare(left, right)
    chosen = read.identity(params)
    return {"parts": {"settings": settings_part(found), "prompts": prompts_part(found, chosen)}}


def prompt(left: Run, right: Run, params: read.Params) -> Answer:
    """Return the groups of one prompt in both runs."""
    chosen = read.identity(params)
    if chosen is None:
        return {"parts": {"prompt": ""}}
    step = read.whole(params, "step")
    return {"parts": {"prompt": prompt_part(side_of(left, chosen, step), side_of(right, chosen, step))}}


def csv(left: Run, right: Run, params: read.Params) -> Answer:
    """Return the numbers of a figure as CSV."""
    known = {panel.key: panel for panel in COMPARED}
    panel = known[read.choice(params, "figure", tuple(known), COMPARED[0].key)]
    both = measure_curves(left), measure_curves(right)
    return {"csv": csv_text(compared_rows(panel, both, (left.name, right.name)))}
