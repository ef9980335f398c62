"""The Compare page: any number of runs, their curves in the same figures, and a prompt that two of them saw side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dra_app import params as read
from dra_app.figure import csv_text
from dra_app.pages import Answer, Page
from dra_app.pages.compare.parts import chooser_part, prompt_part, prompts_part, table_part
from dra_app.pages.compare.sides import side_of
from dra_app.pages.overview import SMOOTH, look_of
from dra_app.pages.overview.figures import PANELS, drawn, is_known
from dra_app.palette import series
from dra_app.run_curves import Curves, measure_curves
from dra_toolkit.drawing.curves import Steps
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array
from dra_toolkit.inspection.comparison import compare
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    from dra_app.context import Context

MOST_RUNS = 24
SHELL = f"""
<div class="dra-bar-form"><span data-part="chooser"></span><span style="margin-left:auto">{SMOOTH}</span></div>
<div class="dra-message" data-part="message" role="alert" hidden></div>
<div data-part="table"></div>
<div class="dra-plots" data-part="figures"><p class="dra-empty">Loading …</p></div>
<div data-part="prompts"></div>
<div data-part="prompt"></div>
"""
_ALONE = (
    '<p class="dra-empty">There is one run here. Train a second one with another setting, for example '
    "<code>dra train recipes/quickstart.yaml diversity=none</code>, and it can be laid over this one.</p>"
)
MEASURES = tuple((name, said, panel) for panel in PANELS for name, said, _ in panel.lines)


def show(context: Context, params: read.Params) -> Answer:
    """Return the curves of the chosen runs, and their settings and outcomes as a table."""
    runs = _runs(context, params)
    known = context.run_ids()
    if len(known) < 2:
        return {"parts": {"figures": _ALONE}, "state": {}}
    look = look_of(params)
    found = [(run, measure_curves(run)) for run in runs]
    figures = "".join(
        drawn(
            panel.title if len(panel.lines) == 1 else said,
            panel.y_title,
            _lines(found, measure),
            look,
            key=measure,
            name="-".join(run.name for run in runs)[:120],
            percent=panel.percent,
            zero=panel.zero,
            help=panel.help,
        )
        for measure, said, panel in MEASURES
    )
    others = ",".join(run.name for run in runs[1:])
    nothing = '<p class="dra-empty">None of the runs has recorded a step yet.</p>'
    parts = {"figures": figures or nothing, "chooser": chooser_part(runs, known), "table": table_part(found)}
    return {"parts": parts, "state": {"run": runs[0].name, "other": others}}


def _lines(found: list[tuple[Run, Curves]], measure: str) -> list[tuple[str, Steps, Array, str, str, str]]:
    """Return a line for each run; an adjusted reward only of runs that adjust, since it has another unit than a raw one."""
    return [
        (run.name, curves.steps, curves.measures[measure], *series(number), run.name)
        for number, (run, curves) in enumerate(found)
        if is_known(curves.measures.get(measure)) and (measure not in _OF_ADJUSTMENT or adjusts(run))
    ]


_OF_ADJUSTMENT = ("adjusted", "weight", "min_weight", "redundancy")


def adjusts(run: Run) -> bool:
    """Return whether a run adjusted its rewards."""
    return any(facts.diversity.adjusts for facts in run.facts())


def prompts(context: Context, params: read.Params) -> Answer:
    """Return the prompts that the first two runs saw, the largest gaps first."""
    left, right = _two(context, params)
    return {"parts": {"prompts": prompts_part(compare(left, right), read.identity(params))}}


def prompt(context: Context, params: read.Params) -> Answer:
    """Return the groups of one prompt in the first two runs."""
    chosen = read.identity(params)
    if chosen is None:
        return {"parts": {"prompt": ""}}
    step = read.whole(params, "step")
    left, right = (side_of(run, chosen, step) for run in _two(context, params))
    return {"parts": {"prompt": prompt_part(left, right)}}


def csv(context: Context, params: read.Params) -> Answer:
    """Return the numbers of a figure as CSV: run, step, value."""
    known = tuple(name for name, _, _ in MEASURES)
    measure = read.choice(params, "figure", known, known[0])
    rows: list[tuple[str | int | float, ...]] = [("run", "step", measure)]
    for run in _runs(context, params):
        curves = measure_curves(run)
        if is_known(curves.measures.get(measure)):
            values = curves.measures[measure].tolist()
            rows += [(run.name, step, value) for step, value in zip(curves.steps.tolist(), values, strict=True)]
    return {"csv": csv_text(rows)}


def _runs(context: Context, params: read.Params) -> list[Run]:
    """Return the run that is shown and those beside it; the next one where none is named."""
    first = context.run(str(params.get("run") or ""))
    others = [name for name in read.several(params, "other") if name != first.name]
    others = others or [name for name in context.run_ids() if name != first.name][:1]
    return [first, *(context.run(name) for name in dict.fromkeys(others[: MOST_RUNS - 1]))]


def _two(context: Context, params: read.Params) -> list[Run]:
    runs = _runs(context, params)
    if len(runs) < 2:
        raise RunError("compare: there is one run only; expected two")
    return runs[:2]


_ASKED: dict[str, Callable[[Context, read.Params], Answer]] = {
    "show": show,
    "prompts": prompts,
    "prompt": prompt,
    "csv": csv,
}
PAGE = Page(
    title="Compare",
    place=40,
    shell=SHELL,
    keys=("other", "smooth", "from", "to", "prompt", "step"),
    questions={},
    context_questions=_ASKED,
)
