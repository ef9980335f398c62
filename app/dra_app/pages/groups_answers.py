"""What the server answers the Groups page: HTML for the parts of the page that a click changes, in one round trip."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dra_app.data import params as read
from dra_app.data.group_detail import view_of
from dra_app.data.group_step import HISTOGRAMS, MARKS, SORTABLE, StepGroups, StepView, arrange, neighbours, read_step
from dra_app.data.group_texts import page_of, think_and_answer
from dra_app.figures.svg import escaped
from dra_app.pages.group_parts import cards_part, group_part, late_rows, pair_part, step_parts
from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.word_differences import word_differences
from dra_toolkit.runs import Run
from dra_toolkit.runs.rows import from_table

Answer = dict[str, Any]
"""`parts`: name of a part of the page -> HTML; `state`: what goes into the address."""


def show(run: Run, params: read.Params) -> Answer:
    """Answer a click. `want` says what it changes: `step` everything, `view` the table, `group` the chosen group."""
    want = read.choice(params, "want", ("step", "view", "group"), "step")
    mode = read.mode(params)
    steps = run.steps(mode) if want == "step" else []
    if want == "step" and not steps:
        return _nothing(run, mode)
    step = _nearest(read.whole(params, "step"), steps)
    if want == "group":
        return _group(run, params, step, mode, None)
    view = view_from(params)
    if want == "view":
        groups = arrange(read_step(run, step, mode), step, mode, view)
        return _step(run, groups)
    with ThreadPoolExecutor(1) as beside:  # the group is most likely shown again: it is read while the step is counted
        likely = beside.submit(_likely, run, params, step, mode)
        groups = arrange(read_step(run, step, mode), step, mode, view)
    if not groups.total:
        return _unreadable(run, step, mode, steps)
    answer = _step(run, groups)
    found = _group(run, params, step, mode, groups, likely.result())
    answer["parts"] |= found["parts"]
    answer["state"] |= found["state"]
    answer["steps"] = as_span(steps)
    return answer


def _step(run: Run, groups: StepGroups) -> Answer:
    parts = step_parts(groups, f"{run.name}-step-{groups.step}")
    parts["chips"] += _damage(run, groups.step, groups.mode)
    return {
        "parts": parts,
        "late": late_rows(groups),
        "state": {"step": groups.step, "mode": groups.mode},
    }


def _damage(run: Run, step: int, mode: Mode) -> str:
    """Name the files of a step that cannot be read, beside its groups that can."""
    problems = dict(run.problems)
    if not problems:
        return ""
    read_from = run.store.snapshot(mode=mode, steps=(step, step)).facts
    lost = [
        file.path.name for file in run.store.listing(mode).batches if file.step == step and file.path not in read_from
    ]
    return "".join(
        f'<p class="dra-note dra-problem">groups/{escaped(name)}: {escaped(problems.get(name, "cannot be read"))}; '
        "its groups are left out</p>"
        for name in lost
    )


def _likely(run: Run, params: read.Params, step: int, mode: Mode) -> GroupRecord | None:
    batch, index = (read.whole(params, name, 0) or 0 for name in ("batch", "group"))
    found = run.store.read_group(mode, (step, batch), index)
    return next(iter(from_table(found[1], found[0]))) if found else None


def recorded_steps(run: Run, params: read.Params) -> Answer:
    """Return the steps that are recorded by now."""
    return {"steps": as_span(run.steps(read.mode(params)))}


def view_from(params: read.Params) -> StepView:
    """Return the filters and the order that a request asks for."""
    return StepView(
        sort=read.choice(params, "sort", SORTABLE, "group_index"),
        descending=read.flag(params, "descending"),
        marks=frozenset(mark for mark in read.several(params, "marks") if mark in MARKS),
        measure=read.choice(params, "measure", HISTOGRAMS, "similarity"),
        low=read.number(params, "low"),
        high=read.number(params, "high"),
    )


def _nearest(step: int | None, steps: list[int]) -> int:
    """Return the recorded step nearest to the one asked for, the last where none is; as asked where `steps` is empty."""
    if not steps:
        return step or 0
    return steps[-1] if step is None else min(steps, key=lambda s: abs(s - step))


def as_span(steps: list[int]) -> dict[str, Any]:
    """Return steps in few characters: the first and the last where none is missing between them."""
    if steps and len(steps) == steps[-1] - steps[0] + 1:
        return {"first": steps[0], "last": steps[-1]}
    return {"list": steps}


def text_of(run: Run, params: read.Params) -> Answer:
    """Return a piece of a text: `part` raw, think, reply, or prompt; `of` the completion or the message."""
    record = record_of(run, params)
    part = read.choice(params, "part", ("raw", "think", "reply", "prompt"), "raw")
    texts = [message.content for message in record.group.prompt] if part == "prompt" else record.group.completions
    of = read.whole(params, "of", 0) or 0
    if of >= len(texts):
        raise RunError(f"of: found {of}, expected less than {len(texts)}")
    whole = texts[of]
    if part in ("think", "reply"):
        think, reply = think_and_answer(whole)
        whole = (think or "") if part == "think" else reply
    piece, following = page_of(whole, read.whole(params, "start", 0) or 0)
    return {"text": piece, "next": following, "characters": len(whole)}


def compare(run: Run, params: read.Params) -> Answer:
    """Return two completions of a group side by side."""
    record = record_of(run, params)
    pair = read.pair(params)
    if pair is None or max(pair) >= len(record.group):
        raise RunError(f"pair: expected two completions from 0 to {len(record.group) - 1}")
    return {"parts": {"pair": _pair(record, pair)}, "state": {"pair": f"{pair[0]},{pair[1]}"}}


def record_of(run: Run, params: read.Params) -> GroupRecord:
    """Return the group that a request names."""
    step, batch, index = (read.whole(params, name, 0) or 0 for name in ("step", "batch", "group"))
    return run.group(step, index, mode=read.mode(params), batch=batch)


def _group(
    run: Run, params: read.Params, step: int, mode: Mode, groups: StepGroups | None, likely: GroupRecord | None = None
) -> Answer:
    batch, index = (read.whole(params, name, 0) or 0 for name in ("batch", "group"))
    if groups is not None and groups.rows:
        before, after = neighbours(groups.rows, batch, index)
        is_shown = any((row["batch"], row["group_index"]) == (batch, index) for row in groups.rows)
        if not is_shown and (chosen := after or before):
            batch, index = chosen["batch"], chosen["group_index"]
    elif groups is not None and likely is None:
        return {"parts": {"group": "", "cards": "", "pair": ""}, "state": {}}
    is_likely = likely is not None and (likely.batch, likely.index) == (batch, index)
    record = likely if likely and is_likely else run.group(step, index, mode=mode, batch=batch)
    view = view_of(record)
    pair = read.pair(params)
    if pair and max(pair) >= len(record.group):
        pair = None
    place = f"group {index}" if not batch else f"batch {batch}, group {index}"
    title = f"Step {step}, {place}: {len(record.group)} completions"
    name = f"{run.name}-step-{step}-{mode}-{batch}-{index}"
    parts = {
        "group": group_part(view, name, title, _LINKS, chosen=pair),
        "cards": cards_part(view),
        "pair": _pair(record, pair) if pair else "",
    }
    return {"parts": parts, "state": {"step": step, "mode": mode, "batch": batch, "group": index}}


_LINKS = (
    '<nav class="dra-links"><a data-page="what-if" href="#">what if</a>'
    '<a data-page="prompt" href="#">this prompt through training</a></nav>'
)


def _pair(record: GroupRecord, pair: tuple[int, int]) -> str:
    view = view_of(record)
    left, right = pair
    found = word_differences(record.group.completions[left], record.group.completions[right])
    return pair_part(view.completions[left], view.completions[right], found, view.similarity[left][right])


_PARTS = ("chips", "measure", "histogram", "table", "group", "cards", "pair")


def _unreadable(run: Run, step: int, mode: Mode, steps: list[int]) -> Answer:
    """Say why no group of a step can be read; the other steps can still be gone to."""
    try:
        run.group(step, 0, mode=mode)
        why = f"{run.name}: step {step} was being written; show it again"
    except RunError as error:
        why = "; ".join(error.problems)
    state = {"step": step, "mode": mode, "pair": ""}
    return {"error": why, "parts": dict.fromkeys(_PARTS, ""), "state": state, "steps": as_span(steps)}


def _nothing(run: Run, mode: Mode) -> Answer:
    others = [other for other in read.MODES if other != mode and run.steps(other)]
    if others:
        said = f"Nothing is recorded there. Choose {' or '.join(others)} above."
    else:
        said = (
            f"No groups are recorded in {escaped(run.name)} yet. They appear here as soon as the first step has been "
            "sampled; a run whose recipe says <code>record_groups: false</code> records none."
        )
    return {
        "parts": {**dict.fromkeys(_PARTS, ""), "chips": f'<p class="dra-empty">{said}</p>'},
        "state": {"mode": mode},
        "steps": {"list": []},
    }
