"""The What-if page: what every advantage would have been under other settings."""

from __future__ import annotations

from dataclasses import asdict

from dra_app import params as read
from dra_app.pages import Answer, Page
from dra_app.pages.groups import STEPS_BAR, as_span, recorded_steps
from dra_app.pages.what_if.parts import (
    figures_part,
    form_part,
    group_part,
    ranking_part,
    recipe_part,
    run_part,
    step_part,
)
from dra_app.pages.what_if.ranking import candidates, rank, spread
from dra_app.pages.what_if.results import group_what_if, next_piece, steps_what_if, sums_from
from dra_app.pages.what_if.settings import changed_lines, changes_from, facts_of, fields_of, written
from dra_app.step_groups import read_step
from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.replay.settings import Changes, recipe_lines, recorded_settings
from dra_toolkit.recipe.keys import DIVERSITY_PRESETS
from dra_toolkit.runs import Run

_ROBUST = ",".join(f"{key}={value}" for key, value in DIVERSITY_PRESETS["robust"].items())
SHELL = f"""
<div class="dra-bar" role="toolbar" aria-label="step and group" data-robust="{_ROBUST}">{STEPS_BAR}
  <button type="button" data-group-by="-1" aria-label="previous group" title="previous group (k)">▲</button>
  <span>group <b data-group>&ndash;</b></span>
  <button type="button" data-group-by="1" aria-label="next group" title="next group (j)">▼</button>
  <nav class="dra-links"><a data-page="groups" href="#">read this group</a></nav>
</div>
<div class="dra-message" data-part="message" role="alert" hidden></div>
<div class="dra-columns narrow">
  <aside class="dra-side">
    <div data-part="form"><p class="dra-empty">Loading …</p></div><div data-part="lines"></div>
  </aside>
  <div><div data-part="group"></div><div data-part="all-step"></div><div data-part="all-run"></div>
    <div data-part="ranking"></div>
    <div data-part="figures"></div></div>
</div>
"""


def show_group(run: Run, params: read.Params) -> Answer:
    """Return the form, the group and the recipe lines for the settings asked for."""
    mode = read.mode(params)
    steps = run.steps(mode)
    if not steps:
        said = f"This run has no {mode} groups yet; once a step has been recorded, its settings can be changed here."
        parts = dict.fromkeys(("form", "lines", "figures", "all-step", "all-run"), "")
        return {"parts": {**parts, "group": f'<p class="dra-empty">{said}</p>'}}
    step = read.whole(params, "step") or steps[-1]
    step = min(steps, key=lambda s: abs(s - step))
    try:
        record = _record(run, params, step)
    except DRAError as error:
        parts = dict.fromkeys(("form", "lines", "group", "figures", "all-step", "all-run"), "")
        return {"error": "; ".join(error.problems), "parts": parts, "state": {"step": step}, "steps": as_span(steps)}
    facts = facts_of(run, step, mode)
    changes, wrong = _changes(params)
    state = {"step": step, "mode": mode, "batch": record.batch, "group": record.index, "set": written(changes)}
    answer: Answer = {"parts": {}, "state": state, "steps": as_span(steps)} | ({"error": wrong} if wrong else {})
    try:
        settings, made = changes.settings(facts, mode), changes.estimator(facts)
        answer["parts"]["form"] = form_part(fields_of(facts, mode, changes, record))
        lines = recipe_lines(settings, made, facts.embedder)
        before = recipe_lines(recorded_settings(facts, mode), facts.made, facts.embedder)
        answer["parts"]["lines"] = recipe_part(changed_lines(lines, before))
        name = f"{run.name}-step-{step}-{mode}-{record.batch}-{record.index}"
        found = group_what_if(run, record, facts, changes)
        answer["parts"] |= {"group": group_part(found), "figures": figures_part(found, name)}
    except DRAError as error:
        answer["error"] = "; ".join(error.problems)
        answer["parts"] |= dict.fromkeys(("group", "figures", "all-step"), "")  # nothing follows from these settings
    if read.flag(params, "fresh"):
        answer["parts"] |= {"all-run": run_part(None), "ranking": ranking_part([], [], run.name)}
    return answer


def _changes(params: read.Params) -> tuple[Changes, str]:
    """Return the changes asked for; none, and why, where the address has what cannot be changed so."""
    try:
        return changes_from(params), ""
    except DRAError as error:
        return changes_from({}), "; ".join(error.problems)


def show_step(run: Run, params: read.Params) -> Answer:
    """Return the whole step for the settings asked for."""
    step = read.whole(params, "step", 0) or 0
    differences = steps_what_if(run, changes_from(params), read.mode(params), (step, step))
    return {"parts": {"all-step": step_part(step, differences)}}


def show_ranking(run: Run, params: read.Params) -> Answer:
    """Return several settings side by side: over the step, or over steps of the whole run."""
    mode, whole = read.mode(params), read.flag(params, "whole")
    steps = run.steps(mode)
    step = read.whole(params, "step") or (steps[-1] if steps else 0)
    facts = facts_of(run, step, mode)
    chosen = spread(steps) if whole else [step]
    found = rank(run, facts, mode, chosen, candidates(facts, written(changes_from(params))))
    return {"parts": {"ranking": ranking_part(found, chosen, run.name)}}


def show_run(run: Run, params: read.Params) -> Answer:
    """Replay the next piece of a run and add it to the sums that the page sends back; the page asks until the end."""
    mode, after = read.mode(params), read.whole(params, "after")
    sums = sums_from(params)
    following = next_piece(run, mode, after)
    if following is None:
        return {"parts": {"all-run": run_part(sums, 1.0)}, "next": None}
    steps, share = following
    sums.add(steps_what_if(run, changes_from(params), mode, steps).total())
    return {
        "parts": {"all-run": run_part(sums, share)},
        "sums": asdict(sums),
        "next": None if share >= 1 else steps[1],
    }


def _record(run: Run, params: read.Params, step: int) -> GroupRecord:
    """Return the group asked for, or the nearest one that the step has."""
    batch, index = read.whole(params, "batch", 0) or 0, read.whole(params, "group", 0) or 0
    mode = read.mode(params)
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
    shell=SHELL,
    keys=("step", "mode", "batch", "group", "set"),
    questions={
        "group": show_group,
        "steps": recorded_steps,
        "step": show_step,
        "run": show_run,
        "ranking": show_ranking,
    },
    alone=True,
)
