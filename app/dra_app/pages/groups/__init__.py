"""The Groups page: the groups of a step, one group in full, one completion alone, two side by side.

A click asks the server once, and the answer is the HTML of what changed.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from markupsafe import Markup

from dra_app import group_figures
from dra_app import params as read
from dra_app.group_view import view_of
from dra_app.pages import Answer, Page
from dra_app.pages.groups.completions import (
    cards_part,
    compare,
    completion,
    correct_by,
    drawn,
    pair_part,
    reader_part,
    record_of,
    text,
)
from dra_app.step_groups import COLUMNS, MARKS, SORTABLE, Row, StepGroups, StepView, arrange, has_mark, read_step
from dra_app.templates import part
from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.group_numbers import answers_told
from dra_toolkit.runs import Run

FIRST_ROWS = 24
"""Rows of the table that are drawn at once; the page adds the others when these are on the screen."""
MOST_ROWS = 500
"""Rows of the table at most; the filters find the others."""
_PARTS = ("chips", "table", "group", "figures", "cards", "pair", "reader")
_OF_GROUP = _PARTS[2:]
VIEW = ("sort", "descending", "marks", "stretch", "find", "newest")
"""What of the address says how a group is shown."""


def show(run: Run, params: read.Params) -> Answer:
    """Answer a click. `want` says what it changes: `step` everything, `view` the table, `group` the chosen group."""
    want, mode = read.choice(params, "want", ("step", "view", "group"), "step"), read.mode(params)
    if want == "group":
        return _group(run, params, record_of(run, params))
    asked, view = read.whole(params, "step"), view_from(params)
    if want == "view":
        return _step(run, arrange(read_step(run, asked or 0, mode), asked or 0, mode, view))
    steps = run.steps(mode)
    if not steps:
        return _nothing(run, mode)
    step = steps[-1] if asked is None else min(steps, key=lambda s: abs(s - asked))
    place = read.place(params)
    with ThreadPoolExecutor(1) as beside:  # the group is most likely shown again: it is read while the step is counted
        likely = beside.submit(_read, run, mode, step, place)
        groups = arrange(read_step(run, step, mode), step, mode, view)
    if not groups.total:
        return _unreadable(run, step, mode) | {"steps": as_span(steps)}
    answer = _step(run, groups) | {"steps": as_span(steps)}
    places = [(row["batch"], row["group_index"]) for row in groups.rows]
    chosen = place if place in places or not places else places[0]
    record = likely.result() if chosen == place else _read(run, mode, step, chosen)
    found = _group(run, params, record) if record else {"parts": dict.fromkeys(_OF_GROUP, ""), "state": {}}
    answer["parts"] |= found["parts"]
    answer["state"] |= found["state"]
    answer |= {name: said for name, said in found.items() if name == "error"}
    if asked is not None and asked != step:
        answer["error"] = f"step: no {mode} groups of step {asked} are recorded; the nearest one, {step}, is shown"
    elif chosen != place and likely.result() is None:
        answer["error"] = f"group: step {step} has no group {place[1]}; group {chosen[1]} is shown"
    return answer


def recorded_steps(run: Run, params: read.Params) -> Answer:
    """Return the steps that are recorded by now."""
    return {"steps": as_span(run.steps(read.mode(params)))}


def as_span(steps: list[int]) -> dict[str, Any]:
    """Return steps in few characters: the first and the last where none is missing between them."""
    if steps and len(steps) == steps[-1] - steps[0] + 1:
        return {"first": steps[0], "last": steps[-1]}
    return {"list": steps}


def view_from(params: read.Params) -> StepView:
    """Return the filters and the order that a request asks for."""
    return StepView(
        sort=read.choice(params, "sort", SORTABLE, "group_index"),
        descending=read.flag(params, "descending"),
        marks=frozenset(mark for mark in read.several(params, "marks") if mark in MARKS),
    )


def _read(run: Run, mode: Mode, step: int, place: tuple[int, int]) -> GroupRecord | None:
    try:
        return run.group(step, place[1], mode=mode, batch=place[0])
    except RunError:
        return None


def _step(run: Run, groups: StepGroups) -> Answer:
    """Return the filters and the table of a step; what has not changed the page leaves as it is."""
    rows, view = table_rows(groups), groups.view
    parts = {
        "chips": part("groups", "chips", groups, MARKS, _damage(run, groups.step, groups.mode)),
        "table": part("groups", "table", view, _COLUMNS, rows[:FIRST_ROWS], len(groups.rows) - MOST_ROWS),
    }
    late = part("groups", "rows_of", rows[FIRST_ROWS:])
    return {"parts": parts, "late": late, "state": {"step": groups.step, "mode": groups.mode}}


_COLUMNS = [("group_index", "group", "batch and index of the group")]
_COLUMNS += [(name, GROUP_MEASURES[name].short, GROUP_MEASURES[name].meaning) for name in COLUMNS]


def table_rows(groups: StepGroups) -> list[tuple[Row, Markup, Markup]]:
    """Return the rows of the table, each with its marks and its numbers, these with the decimals of their column."""
    shown = groups.rows[:MOST_ROWS]
    columns = [aligned(row[name] for row in shown) for name in COLUMNS]
    numbers = (Markup(f"<td>{'</td><td>'.join(each)}</td>") for each in zip(*columns, strict=True))
    return [(row, _marks(row), cells) for row, cells in zip(shown, numbers, strict=True)]


def _marks(row: Row) -> Markup:
    return Markup("").join(
        _mark(mark, row["flips"] if mark == "flips" else "") for mark in MARKS if has_mark(row, mark)
    )


@functools.cache
def _mark(mark: str, more: int | str) -> Markup:
    symbol, *said = MARKS[mark]
    return part("groups", "symbols", [(mark, symbol, ": ".join(said), more)])


def _damage(run: Run, step: int, mode: Mode) -> list[tuple[str, str]]:
    """Return the files of a step that cannot be read, beside its groups that can, each with the reason."""
    problems = dict(run.problems)
    if not problems:
        return []
    read_from = run.store.snapshot(mode=mode, steps=(step, step)).facts
    of_step = [file.path for file in run.store.listing(mode).batches if file.first == step]
    lost = [path.name for path in of_step if path not in read_from]
    return [(name, problems.get(name, "cannot be read")) for name in lost]


def _group(run: Run, params: read.Params, record: GroupRecord) -> Answer:
    """Return one group in full, with the completion read alone and the pair that the address names."""
    view, G = view_of(record, correct_by(run, record)), len(record.group)
    pair, one = read.pair(params), read.whole(params, "completion")
    beyond = [i for i in (*(pair or ()), *([] if one is None else [one])) if i >= G]
    pair = None if pair and max(pair) >= G else pair
    one = None if one is not None and one >= G else one
    place = f"group {record.index}" if not record.batch else f"batch {record.batch}, group {record.index}"
    name = f"{run.name}-step-{record.step}-{record.mode}-{record.batch}-{record.index}"
    bars = (group_figures.advantages, group_figures.rewards, group_figures.reward_functions)
    stretched = read.flag(params, "stretch")
    drawings = [
        group_figures.map_figure(view, name, chosen=pair, is_stretched=stretched),
        *(bar(view, name) for bar in bars),
    ]
    parts = {
        "group": part("groups", "head", view, f"Step {record.step}, {place}: {G} completions, {answers_told(record)}"),
        "figures": part("groups", "figures", drawings),
        "cards": cards_part(view),
        "pair": pair_part(record, view, pair) if pair else "",
        "reader": "" if one is None else reader_part(view, record, one),
    }
    state: dict[str, Any] = {"step": record.step, "mode": record.mode, "batch": record.batch, "group": record.index}
    state |= {"completion": "" if one is None else one, "pair": f"{pair[0]},{pair[1]}" if pair else ""}
    said = {"error": f"completion: the group has 0 to {G - 1}, not {beyond[0]}"} if beyond else {}
    return {"parts": parts, "state": state, **said}


def _unreadable(run: Run, step: int, mode: Mode) -> Answer:
    """Say why no group of a step can be read; the other steps can still be gone to."""
    try:
        run.group(step, 0, mode=mode)
        why = f"{run.name}: step {step} was being written; show it again"
    except RunError as error:
        why = "; ".join(error.problems)
    return {"error": why, "parts": dict.fromkeys(_PARTS, ""), "state": {"step": step, "mode": mode, "pair": ""}}


def _nothing(run: Run, mode: Mode) -> Answer:
    others = [other for other in read.MODES if other != mode and run.steps(other)]
    parts = {**dict.fromkeys(_PARTS, ""), "chips": part("groups", "nothing", run.name, others)}
    return {"parts": parts, "state": {"mode": mode}, "steps": {"list": []}}


PAGE = Page(
    title="Groups",
    place=10,
    keys=("step", "mode", "batch", "group", "completion", "pair", *VIEW),
    questions=(show, recorded_steps, text, compare, completion, drawn),
    alone=True,
)
