"""The What-if page: what every advantage would have been under other settings."""

from markupsafe import Markup

from dra_app import params as read
from dra_app.pages import Answer, Page, spread
from dra_app.pages.groups import as_span, recorded_steps
from dra_app.pages.what_if.ranking import MOST_STEPS, candidates, rank, ranking_part
from dra_app.pages.what_if.replayed import figures_parts, group_tiles, group_what_if, tiles
from dra_app.pages.what_if.settings import changes_from, facts_of, fields_of, written
from dra_app.step_groups import read_step
from dra_app.templates import part
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.replay.settings import Changes, recipe_lines, recorded_settings
from dra_toolkit.runs import FileFacts, Run

TOP = 8
"""Groups that change most that are named."""
_OF_SETTINGS = ("group", "figures", "table", "map", "all-step")
_PARTS = ("form", "lines", *_OF_SETTINGS, "all-run", "ranking")


def show_group(run: Run, params: read.Params) -> Answer:
    """Return the form, the group and the recipe lines for the settings asked for."""
    mode, nothing = read.mode(params), dict.fromkeys(_PARTS, "")
    steps = run.steps(mode)
    if not steps:
        return {"parts": nothing | {"group": part("what-if", "nothing", mode)}}
    asked = read.whole(params, "step") or steps[-1]
    step = min(steps, key=lambda s: abs(s - asked))
    try:
        record = _record(run, params, step)
    except DRAError as error:
        return {"error": "; ".join(error.problems), "parts": nothing, "state": {"step": step}, "steps": as_span(steps)}
    answer: Answer = {"steps": as_span(steps)}
    try:
        changes = changes_from(params)
    except DRAError as error:  # what the address has cannot be changed so: as recorded, and why
        changes, answer["error"] = Changes(), "; ".join(error.problems)
    answer["state"] = {
        "step": step,
        "mode": mode,
        "batch": record.batch,
        "group": record.index,
        "set": written(changes),
    }
    answer["parts"] = {}
    if step != asked:
        answer.setdefault(
            "error", f"step: no {mode} groups of step {asked} are recorded; the nearest, {step}, is shown"
        )
    elif (record.batch, record.index) != read.place(params):
        answer.setdefault("error", f"group: step {step} has no group {read.place(params)[1]}; {record.index} is shown")
    try:
        answer["parts"] |= _settings(record, facts := facts_of(run, step, mode), changes)
        found = group_what_if(run, record, facts, changes)
        name = f"{run.name}-step-{step}-{mode}-{record.batch}-{record.index}"
        answer["parts"] |= {"group": group_tiles(found), **figures_parts(found, name)}
    except DRAError as error:
        answer["error"] = "; ".join(error.problems)
        answer["parts"] |= dict.fromkeys(_OF_SETTINGS, "")  # nothing follows from these settings
    if read.flag(params, "fresh"):
        answer["parts"] |= {"all-run": part("what-if", "whole_run"), "ranking": ranking_part([], [step], run.name)}
    return answer


def _settings(record: GroupRecord, facts: FileFacts, changes: Changes) -> dict[str, str]:
    """Return the form, and the settings as recipe lines: the changed ones to copy, and all of them."""
    fields = fields_of(facts, record.mode, changes, record)
    changed = sum(field.is_changed for field in fields)
    lines = recipe_lines(changes.settings(facts, record.mode), changes.estimator(facts), facts.embedder)
    before = recipe_lines(recorded_settings(facts, record.mode), facts.made, facts.embedder)
    differing = [line for line in lines if line not in before]
    return {"form": part("what-if", "form", fields, changed), "lines": part("what-if", "recipe", differing, lines)}


def show_step(run: Run, params: read.Params) -> Answer:
    """Return the whole step for the settings asked for."""
    step = read.whole(params, "step", 0) or 0
    return {"parts": {"all-step": _replayed(run, params, (step, step), f"Step {step}, all groups")}}


def show_run(run: Run, params: read.Params) -> Answer:
    """Return the whole run for the settings asked for."""
    return {"parts": {"all-run": _replayed(run, params, None, "The whole run")}}


def _replayed(run: Run, params: read.Params, steps: tuple[int, int] | None, title: str) -> Markup:
    found = replay_run(run, changes_from(params), mode=read.mode(params), steps=steps, top=TOP).differences
    sums = found.total()
    note = f"{sums.completions:,} completions; {sums.changed_groups:,} of {sums.groups:,} groups change"
    return tiles(title, sums, note, found.groups)


def show_ranking(run: Run, params: read.Params) -> Answer:
    """Return several settings side by side: over the step, or over steps of the whole run."""
    mode, whole = read.mode(params), read.flag(params, "whole")
    steps = run.steps(mode)
    step = read.whole(params, "step") or (steps[-1] if steps else 0)
    facts = facts_of(run, step, mode)
    chosen = spread(steps, MOST_STEPS) if whole else [step]
    found = rank(run, facts, mode, chosen, candidates(facts, written(changes_from(params))))
    return {"parts": {"ranking": ranking_part(found, chosen, run.name)}}


def _record(run: Run, params: read.Params, step: int) -> GroupRecord:
    """Return the group asked for, or the nearest one that the step has."""
    (batch, index), mode = read.place(params), read.mode(params)
    try:
        return run.group(step, index, mode=mode, batch=batch)
    except RunError:
        there = [(row["batch"], row["group_index"]) for row in read_step(run, step, mode)]
        if not there:
            raise
        batch, index = min(there, key=lambda place: (abs(place[0] - batch), abs(place[1] - index)))
        return run.group(step, index, mode=mode, batch=batch)


PAGE = Page(
    title="What if",
    place=30,
    keys=("step", "mode", "batch", "group", "set"),
    questions=(show_group, recorded_steps, show_step, show_run, show_ranking),
    alone=True,
)
