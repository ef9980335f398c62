"""The Groups page: the groups of a step, one group in full, one completion alone, two side by side.

A click asks the server once, and the answer is the HTML of what changed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dra_app import group_bars
from dra_app import params as read
from dra_app.group_view import view_of
from dra_app.pages import Answer, Page
from dra_app.pages.groups.completions import cards_part, drawn_texts, reader_part
from dra_app.pages.groups.parts import FIRST_ROWS, head_part, map_figure, step_parts, table_rows
from dra_app.side_by_side import compared, side_by_side
from dra_app.step_groups import HISTOGRAMS, MARKS, SORTABLE, StepGroups, StepView, arrange, neighbours, read_step
from dra_app.texts import page_of, parts_in, share_of
from dra_app.verdicts import verdict_mark
from dra_toolkit.drawing.numbers import short, signed
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.runs import Run
from dra_toolkit.runs.rows import from_table

STEPS_BAR = """
  <button type="button" data-by="-1" aria-label="previous step" title="previous step (left arrow)">◀</button>
  <input type="range" data-slider min="0" max="0" value="0" aria-label="step">
  <button type="button" data-by="1" aria-label="next step" title="next step (right arrow)">▶</button>
  <label>step <input data-step-field inputmode="numeric" size="6" aria-label="step, typed"></label>
  <span data-step-of>&ndash;</span>
"""
SHELL = f"""
<div class="dra-bar" role="toolbar" aria-label="step">{STEPS_BAR}
  <button type="button" data-play aria-label="play the steps" title="play the steps (p)">▶▶</button>
  <button type="button" data-newest aria-pressed="false" title="go to each new step while the run is written">newest</button>
  <span class="dra-seg" role="group" aria-label="which groups">
    <button type="button" data-mode="train" aria-pressed="true">training</button>
    <button type="button" data-mode="eval" aria-pressed="false">evaluation</button>
    <button type="button" data-mode="discarded" aria-pressed="false">discarded</button>
  </span>
  <details class="dra-help"><summary title="keys (?)" aria-label="keys">?</summary><div><dl>
    <dt><kbd>j</kbd> <kbd>k</kbd> or <kbd>↓</kbd> <kbd>↑</kbd></dt><dd>next, previous group of the table</dd>
    <dt><kbd>→</kbd> <kbd>←</kbd> or <kbd>l</kbd> <kbd>h</kbd></dt><dd>next, previous step</dd>
    <dt><kbd>n</kbd> <kbd>b</kbd></dt><dd>next, previous completion, alone</dd>
    <dt><kbd>c</kbd></dt><dd>beside the one most like it</dd>
    <dt><kbd>p</kbd></dt><dd>play, pause</dd>
    <dt><kbd>Esc</kbd></dt><dd>close the comparison, then back to all completions</dd>
    <dt><kbd>?</kbd></dt><dd>this help</dd>
  </dl></div></details>
</div>
<div class="dra-message" data-part="message" role="alert" hidden></div>
<div class="dra-columns" data-part="page">
  <div class="dra-side">
    <div data-part="chips"><p class="dra-empty">Loading …</p></div><div data-part="table"></div>
    <details class="dra-histogram"><summary>histogram of the step</summary><div data-part="measure"></div>
    <div data-part="histogram"></div></details>
    <div data-part="figures"></div>
  </div>
  <div class="dra-reading"><div data-part="group"></div><div data-part="pair"></div><div data-part="reader"></div>
  <div data-part="cards"></div></div>
</div>
"""


def show(run: Run, params: read.Params) -> Answer:
    """Answer a click. `want` says what it changes: `step` everything, `view` the table, `group` the chosen group."""
    want = read.choice(params, "want", ("step", "view", "group"), "step")
    mode = read.mode(params)
    steps = run.steps(mode) if want == "step" else []
    if want == "step" and not steps:
        return _nothing(run, mode)
    asked = read.whole(params, "step")
    step = _nearest(asked, steps)
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
    if asked is not None and asked != step:
        answer["error"] = f"step: no {mode} groups of step {asked} are recorded; the nearest one, {step}, is shown"
    elif "error" in found:
        answer["error"] = found["error"]
    return answer


def _step(run: Run, groups: StepGroups) -> Answer:
    rows = table_rows(groups)
    parts = step_parts(groups, f"{run.name}-step-{groups.step}", rows)
    parts["chips"] += _damage(run, groups.step, groups.mode)
    return {
        "parts": parts,
        "late": "".join(rows[FIRST_ROWS:]),
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


LARGEST_PART = 1_000


def text_of(run: Run, params: read.Params) -> Answer:
    """Return a piece of a text: `part` raw, prompt, or the number of a part; `of` the completion or the message."""
    record = record_of(run, params)
    part = read.choice(params, "part", ("raw", "prompt", *map(str, range(LARGEST_PART))), "raw")
    texts = [str(message) for message in record.group.prompt] if part == "prompt" else record.group.all_shown()
    of = read.whole(params, "of", 0) or 0
    if of >= len(texts):
        raise RunError(f"of: found {of}, expected less than {len(texts)}")
    whole = texts[of]
    if part.isdigit():
        parts = parts_in(record.group, of)
        whole = parts[int(part)].text if int(part) < len(parts) else ""
    piece, following = page_of(whole, read.whole(params, "start", 0) or 0)
    return {"text": piece, "next": following, "characters": len(whole)}


def compare(run: Run, params: read.Params) -> Answer:
    """Return two completions of a group side by side."""
    record = record_of(run, params)
    pair = read.pair(params)
    if pair is None or max(pair) >= len(record.group):
        raise RunError(f"pair: expected two completions from 0 to {len(record.group) - 1}")
    return {"parts": {"pair": _pair(record, pair, _correct_by(run, record))}, "state": {"pair": f"{pair[0]},{pair[1]}"}}


def completion(run: Run, params: read.Params) -> Answer:
    """Return one completion alone."""
    record = record_of(run, params)
    i = read.whole(params, "completion", 0) or 0
    if i >= len(record.group):
        raise RunError(f"completion: found {i}, the group has 0 to {len(record.group) - 1}")
    view = view_of(record, _correct_by(run, record))
    return {"parts": {"reader": reader_part(view, record, i)}, "state": {"completion": i}}


def drawn(run: Run, params: read.Params) -> Answer:
    """Return the texts of the cards with Markdown and formulas drawn; asked after the cards, as it takes longer."""
    record = record_of(run, params)
    return {"drawn": drawn_texts(record, share_of(len(record.group)))}


def _correct_by(run: Run, record: GroupRecord) -> str | None:
    """Return the reward function that tells right from wrong in the file of a group."""
    found = run.store.snapshot(mode=record.mode, steps=(record.step, record.step)).facts.values()
    return next((facts.correct_by for facts in found), None)


def record_of(run: Run, params: read.Params) -> GroupRecord:
    """Return the group that a request names."""
    step, batch, index = (read.whole(params, name, 0) or 0 for name in ("step", "batch", "group"))
    return run.group(step, index, mode=read.mode(params), batch=batch)


def _group(
    run: Run, params: read.Params, step: int, mode: Mode, groups: StepGroups | None, likely: GroupRecord | None = None
) -> Answer:
    batch, index = (read.whole(params, name, 0) or 0 for name in ("batch", "group"))
    asked = (batch, index)
    if groups is not None and groups.rows:
        before, after = neighbours(groups.rows, batch, index)
        is_shown = any((row["batch"], row["group_index"]) == (batch, index) for row in groups.rows)
        if not is_shown and (chosen := after or before):
            batch, index = chosen["batch"], chosen["group_index"]
    elif groups is not None and likely is None:
        return {"parts": dict.fromkeys(("group", "figures", "cards", "pair", "reader"), ""), "state": {}}
    is_likely = likely is not None and (likely.batch, likely.index) == (batch, index)
    record = likely if likely and is_likely else run.group(step, index, mode=mode, batch=batch)
    answer = _shown(run, params, record)
    is_lost = groups is not None and likely is None and asked != (batch, index)
    return answer | (
        {"error": f"group: step {step} has no group {asked[1]}; group {index} is shown"} if is_lost else {}
    )


def _shown(run: Run, params: read.Params, record: GroupRecord) -> Answer:
    view = view_of(record, _correct_by(run, record))
    pair, one = read.pair(params), read.whole(params, "completion")
    G = len(record.group)
    pair = pair if pair and max(pair) < G else None
    one = one if one is not None and one < G else None
    place = f"group {record.index}" if not record.batch else f"batch {record.batch}, group {record.index}"
    name = f"{run.name}-step-{record.step}-{record.mode}-{record.batch}-{record.index}"
    bars = (group_bars.advantages, group_bars.rewards, group_bars.reward_functions)
    stretched = read.flag(params, "stretch")
    drawings = [map_figure(view, name, chosen=pair, is_stretched=stretched), *(bar(view, name) for bar in bars)]
    parts = {
        "group": head_part(view, f"Step {record.step}, {place}: {G} completions"),
        "figures": f'<div class="dra-figures">{"".join(drawings)}</div>',
        "cards": cards_part(view),
        "pair": _pair(record, pair, view.correct_by) if pair else "",
        "reader": "" if one is None else reader_part(view, record, one),
    }
    state: dict[str, Any] = {"step": record.step, "mode": record.mode, "batch": record.batch, "group": record.index}
    return {"parts": parts, "state": {**state, "completion": "" if one is None else one}}


def _pair(record: GroupRecord, pair: tuple[int, int], correct_by: str | None) -> str:
    view = view_of(record, correct_by)
    heads = [
        f"completion {c.index} · {verdict_mark(c.verdict)} · advantage {signed(c.advantage)} · reward {short(c.total)}"
        for c in (view.completions[i] for i in pair)
    ]
    found = compared(*(record.group.completions[i] for i in pair))
    similarity = float(view.similarity[pair[0], pair[1]])
    return side_by_side(heads[0], heads[1], found, f"similarity {short(similarity)}", closes=True)


_PARTS = ("chips", "measure", "histogram", "table", "group", "figures", "cards", "pair", "reader")


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


PAGE = Page(
    title="Groups",
    place=10,
    shell=SHELL,
    keys=(
        *(
            "step",
            "mode",
            "batch",
            "group",
            "completion",
            "pair",
            "sort",
            "descending",
            "marks",
            "measure",
            "low",
            "high",
        ),
        *("stretch", "find", "newest"),
    ),
    questions={
        "show": show,
        "steps": recorded_steps,
        "text": text_of,
        "compare": compare,
        "completion": completion,
        "drawn": drawn,
    },
    alone=True,
)
