"""The Compare page: any number of runs, their curves in the same figures, and a prompt that two of them saw side by side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from dra_app import params as read
from dra_app.context import Context
from dra_app.figure import Cell, csv_text
from dra_app.group_view import view_of
from dra_app.pages import Answer, Page
from dra_app.pages.compare.many import across, joined
from dra_app.pages.overview.ending import written
from dra_app.pages.overview.figures import PANELS, drawn, is_known, look_of
from dra_app.palette import series
from dra_app.run_curves import Curves, measure_curves
from dra_app.templates import part
from dra_app.texts import beginning
from dra_toolkit.drawing.curves import Line
from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.groups import GroupRecord, mean_of_known
from dra_toolkit.inspection.comparison import COMPARED, OF_A_SEED, compare, settings_of
from dra_toolkit.inspection.group_list import look_at_prompt
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.runs import Run

MOST_RUNS = 64
MOST_COMPLETIONS = 6
CHARACTERS = 1_500
MEASURES = tuple(
    replace(panel, key=name, title=panel.title if len(panel.lines) == 1 else said)
    for panel in PANELS
    for name, said, _ in panel.lines
)
"""A figure for each measure, since each run is a line of it."""


def show(context: Context, params: read.Params) -> Answer:
    """Return the curves of the chosen runs, and their settings and outcomes as a table."""
    runs = _runs(context, params)
    known = context.run_ids()
    if len(known) < 2:
        return {"parts": {"figures": part("compare", "alone")}, "state": {}}
    look = look_of(params)
    found = [(run, measure_curves(run)) for run in runs]
    name = "-".join(run.name for run in runs)[:120]
    names, settings = [run.name for run in runs], settings_of(runs)
    of, is_joined = dict(zip(names, settings, strict=True)), read.flag(params, "join")
    figures = []
    for panel in MEASURES:
        lines = _lines(found, panel.key)
        lines = joined(lines, [of[line.of] for line in lines]) if is_joined else lines
        figures.append(drawn(panel, lines, look, name))
    chosen = [(name, series(i)[0]) for i, name in enumerate(names)]
    parts = {
        "figures": part("compare", "figures", [figure for figure in figures if figure]),
        "chooser": part("compare", "chooser", chosen, [name for name in known if name not in names]),
        "table": table_part(found),
        "across": across(names, _columns(found), name),
    }
    left = len(set(read.several(params, "other")) - set(names))
    said = {"error": f"other: {MOST_RUNS} runs are shown at most; left out: {left}"} if left else {}
    return {"parts": parts, "state": {"run": names[0], "other": ",".join(names[1:])}, **said}


def table_part(found: Sequence[tuple[Run, Curves]]) -> Markup:
    """Return the runs as a table: the settings in which they differ, and how each ended."""
    keys = differing_keys([run.recipe for run, _ in found])
    ends = zip(*(aligned(_end(curves, name) for _, curves in found) for name in COMPARED), strict=True)
    rows = [
        (run.name, series(i)[0], numbers, len(curves.steps), [written(run.recipe.get(key)) for key in keys])
        for i, ((run, curves), numbers) in enumerate(zip(found, ends, strict=True))
    ]
    return part("compare", "table", COMPARED, keys, rows)


def _columns(found: Sequence[tuple[Run, Curves]]) -> dict[str, list[Cell]]:
    """Return the settings in which the runs differ, seeds left out, and how each run ended."""
    keys = [key for key in differing_keys([run.recipe for run, _ in found]) if key not in OF_A_SEED]
    given = {key: [run.recipe.get(key) for run, _ in found] for key in keys}
    columns: dict[str, list[Cell]] = {
        key: [value if isinstance(value, int | float | str) else written(value) for value in values]
        for key, values in given.items()
    }
    return columns | {name: [_end(curves, name) for _, curves in found] for name in COMPARED}


def _end(curves: Curves, name: str) -> float | None:
    values = curves.columns.get(name)
    return None if values is None else mean_of_known(values[-max(1, len(values) // 10) :])


def _lines(found: Sequence[tuple[Run, Curves]], measure: str) -> list[Line]:
    """Return a line for each run; an adjusted reward only of runs that adjust, since it has another unit than a raw one."""
    return [
        Line(name=run.name, steps=curves.steps, values=curves.columns[measure], colour=ink, dash=dash, of=run.name)
        for (run, curves), (ink, dash) in zip(found, map(series, range(len(found))), strict=True)
        if is_known(curves.columns.get(measure)) and (measure not in _OF_ADJUSTMENT or adjusts(run))
    ]


_OF_ADJUSTMENT = ("adjusted", "weight", "min_weight", "redundancy")


def adjusts(run: Run) -> bool:
    """Return whether a run adjusted its rewards."""
    return any(facts.diversity.adjusts for facts in run.facts())


def prompts(context: Context, params: read.Params) -> Answer:
    """Return the prompts that the first two runs saw, the largest gaps first."""
    left, right = _two(context, params)
    return {"parts": {"prompts": part("compare", "prompts", compare(left, right), read.identity(params))}}


def prompt(context: Context, params: read.Params) -> Answer:
    """Return the groups of one prompt in the first two runs."""
    chosen = read.identity(params)
    if chosen is None:
        return {"parts": {"prompt": ""}}
    sides = [_side(run, chosen, read.whole(params, "step")) for run in _two(context, params)]
    record: GroupRecord | None = next((side["record"] for side in sides if "record" in side), None)
    text = record.group.prompt[-1].content if record and record.group.prompt else ""
    return {"parts": {"prompt": part("compare", "prompt", beginning(text, CHARACTERS).text, sides)}}


def _side(run: Run, prompt_hash: str, step: int | None) -> dict[str, Any]:
    """Return a run's group of a prompt, the last or the one nearest to a step; or why there is none."""
    try:
        rows = look_at_prompt(run, prompt_hash).rows
        row = rows[-1] if step is None else min(rows, key=lambda r: abs(r.step - step))
        record = run.group(row.step, row.index, mode=row.mode, batch=row.batch)
    except DRAError as error:
        return {"run": run.name, "problem": error.problems[0]}
    view, steps = view_of(record), list(dict.fromkeys(row.step for row in rows))
    return {
        "run": run.name,
        "problem": "",
        "record": record,
        "steps": ("…, " if len(steps) > 6 else "") + ", ".join(map(str, steps[-6:])),
        "reward": float(record.adjustment.totals.mean()),
        "cards": [
            (view.completions[i], beginning(record.group.shown(i).strip(), CHARACTERS))
            for i in view.ranking[:MOST_COMPLETIONS]
        ],
        "more": len(record.group) - MOST_COMPLETIONS,
    }


def csv(context: Context, params: read.Params) -> Answer:
    """Return the numbers of a figure as CSV: run, step, value."""
    known = tuple(panel.key for panel in MEASURES)
    measure = read.choice(params, "figure", known, known[0])
    rows: list[tuple[str | int | float, ...]] = [("run", "step", measure)]
    for run in _runs(context, params):
        curves = measure_curves(run)
        if is_known(curves.columns.get(measure)):
            values = curves.columns[measure].tolist()
            rows += [(run.name, step, value) for step, value in zip(curves.steps.tolist(), values, strict=True)]
    return {"csv": csv_text(rows)}


def _runs(context: Context, params: read.Params) -> list[Run]:
    """Return the run that is shown and those beside it; the next one where none is named."""
    first = context.run(str(params.get("run") or ""))
    others = [name for name in read.several(params, "other") if name != first.name]
    others = others or [name for name in context.run_ids() if name != first.name][:1]
    return [first, *(context.run(name) for name in list(dict.fromkeys(others))[: MOST_RUNS - 1])]


def _two(context: Context, params: read.Params) -> list[Run]:
    runs = _runs(context, params)
    if len(runs) < 2:
        raise RunError("compare: there is one run only; expected two")
    return runs[:2]


PAGE = Page(
    title="Compare",
    place=40,
    keys=("other", "join", "smooth", "from", "to", "prompt", "step"),
    context_questions=(show, prompts, prompt, csv),
)
