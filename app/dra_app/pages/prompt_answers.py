"""What the server answers the Prompt page."""

from __future__ import annotations

from typing import Any

from dra_app.data import params as read
from dra_app.data.group_detail import view_of
from dra_app.data.prompt_data import history, list_prompts, near_pairs, spread
from dra_app.figures import group_heatmap
from dra_app.figures.prompt_curves import curves
from dra_app.figures.svg import escaped, short
from dra_app.pages.group_parts import differences_part, one_line
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.group_list import GroupRow
from dra_toolkit.inspection.prompt_history import PromptHistory, find_prompt
from dra_toolkit.runs import Run

Answer = dict[str, Any]
SHOWN_PROMPT = 3_000
"""Characters of a prompt that are shown."""


def show(run: Run, params: read.Params) -> Answer:
    """Return the curves of a prompt, or the prompts to choose from."""
    mode = read.mode(params)
    wanted = str(params.get("find") or "").strip()[:500]
    try:
        prompt = find_prompt(run, wanted, mode) if wanted else read.identity(params)
        if prompt is None:
            return _choice(run, mode)
        found = history(run, prompt, mode)
        chosen = _chosen(params, found)
    except RunError as error:
        if wanted:
            raise
        return _choice(run, mode) | {"error": "; ".join(error.problems)}
    name = f"{run.name}-prompt-{prompt}"
    state = {"prompt": prompt, "mode": mode, "between": f"{chosen[0]},{chosen[1]}"}
    return {"parts": {"prompt": _head(found, mode) + curves(found.rows, name, chosen)}, "state": state}


def _choice(run: Run, mode: Mode) -> Answer:
    state = {"mode": mode, "prompt": "", "between": ""}
    return {"parts": {"prompt": _list(run, mode), "thumbs": "", "pairs": ""}, "state": state}


def thumbnails(run: Run, params: read.Params) -> Answer:
    """Return some of the prompt's groups small, evenly spread over training."""
    found, _ = _history(run, params)
    chosen = _chosen(params, found)
    tiles = "".join(_thumb(run, found.rows[i], i, i in chosen) for i in sorted({*spread(len(found.rows)), *chosen}))
    head = '<h4>Groups, early to late</h4><p class="dra-note">Similarity of completions. A click chooses one to compare.</p>'
    return {"parts": {"thumbs": f'{head}<div class="dra-thumbs">{tiles}</div>'}}


def differences(run: Run, params: read.Params) -> Answer:
    """Return what changed between two groups of the prompt, by the completions that are most alike."""
    found, mode = _history(run, params)
    first, second = _chosen(params, found)
    if first == second:
        said = "This prompt was sampled once so far. What changes is shown when it comes again."
        return {"parts": {"pairs": f'<p class="dra-empty">{said}</p>'}}
    rows = found.rows[first], found.rows[second]
    earlier, later = (run.group(row.step, row.index, mode=mode, batch=row.batch) for row in rows)
    body = "".join(
        differences_part(
            f"step {earlier.step}, completion {pair.earlier}",
            f"step {later.step}, completion {pair.later}",
            pair.differences,
            f"similarity of the words {short(pair.similarity)}",
        )
        for pair in near_pairs(earlier, later)
    )
    head = f"<h4>Step {later.step} beside step {earlier.step}: the completions most alike</h4>"
    return {"parts": {"pairs": head + body}}


def _history(run: Run, params: read.Params) -> tuple[PromptHistory, Mode]:
    prompt, mode = read.identity(params), read.mode(params)
    if prompt is None:
        raise RunError("prompt: expected 16 hexadecimal digits")
    return history(run, prompt, mode), mode


def _chosen(params: read.Params, found: PromptHistory) -> tuple[int, int]:
    """Return the places of the two groups to compare: as asked, or the first and the last."""
    last = len(found.rows) - 1
    first, second = read.pair(params, "between") or (0, last)
    return (first, second) if first != second and max(first, second) <= last else (0, last)


def _head(found: PromptHistory, mode: Mode) -> str:
    first, last = found.rows[0], found.rows[-1]
    times = f"{len(found.rows)} groups, steps {first.step} to {last.step}" if first is not last else "one group"
    text = escaped(one_line(found.prompt, SHOWN_PROMPT))
    return (
        f'<header class="dra-group-head"><h3>One prompt through training</h3><span class="dra-note">{times}, {mode}</span>'
        f'<button type="button" class="dra-quiet" data-list="1">other prompts</button></header>'
        f'<section class="dra-prompt"><div class="dra-text" dir="auto">{text}</div></section>'
    )


def _thumb(run: Run, row: GroupRow, place: int, chosen: bool) -> str:
    record = run.group(row.step, row.index, mode=row.mode, batch=row.batch)
    said = f"step {row.step}, group {row.index}"
    where = f'data-step="{row.step}" data-batch="{row.batch}" data-group="{row.index}"'
    return (
        f'<div class="dra-thumb-box{" chosen" if chosen else ""}"><button type="button" data-place="{place}" '
        f'title="{said}">{group_heatmap.thumbnail(view_of(record))}</button><b>step {row.step}</b>'
        f'<small>reward {short(row["reward"])}</small><a href="#" data-open="1" {where}>open</a></div>'
    )


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _list(run: Run, mode: Mode) -> str:
    rows = list_prompts(run, mode)
    if not rows:
        return (
            f'<p class="dra-empty">No {mode} groups are recorded yet. The prompts appear here with the first step.</p>'
        )
    body = "".join(
        f'<tr data-prompt="{row.prompt_hash}" tabindex="0"><th scope="row">{escaped(one_line(row.prompt, 160))}</th>'
        f"<td>{row.groups}</td><td>{_span(row.first, row.last)}</td><td>{short(row.reward_first)}</td>"
        f"<td>{short(row.reward_last)}</td></tr>"
        for row in rows
    )
    return (
        '<header class="dra-group-head"><h3>Choose a prompt</h3><span class="dra-note">those sampled most often; any other: '
        "from its group, or by words of it</span></header>"
        '<form data-find="1" class="dra-find"><input type="search" name="find" maxlength="500" '
        'placeholder="words of a prompt" aria-label="words of a prompt"><button class="dra-quiet">find</button></form>'
        '<div class="dra-scroll list"><table class="dra-prompts"><thead><tr><th>prompt</th><th>groups</th><th>steps</th>'
        f"<th>reward, first</th><th>last</th></tr></thead><tbody>{body}</tbody></table></div>"
    )
