"""The Prompt page: the same prompt through training, its groups early to late, and how two of them differ."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dra_app import params as read
from dra_app.figure import Cell, figure, line_key
from dra_app.pages import Answer, Page
from dra_app.pages.overview.figures import PANELS
from dra_app.palette import colour
from dra_app.side_by_side import compared, side_by_side
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.numbers import NOT_KNOWN, short
from dra_toolkit.drawing.similarity_map import thumbnail
from dra_toolkit.drawing.svg import one_line
from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import shown_in
from dra_toolkit.group_outcomes import is_measured
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.group_list import GroupRow, Pair, PromptHistory, find_prompt, look_at_prompt, nearest_pairs
from dra_toolkit.runs import Run

SHELL = """
<div class="dra-message" data-part="message" role="alert" hidden></div>
<div data-part="prompt"><p class="dra-empty">Loading …</p></div>
<div data-part="thumbs"></div>
<div data-part="pairs"></div>
"""
LISTED = 12
"""Prompts that are offered to choose from."""
THUMBNAILS = 12
"""Groups of a prompt that are shown small."""
COMPARED = 6
"""Pairs of completions of two steps that are compared."""


@dataclass(frozen=True, kw_only=True)
class PromptRow:
    """One prompt of a run."""

    prompt_hash: str
    prompt: str
    """The last message."""
    groups: int
    first: int
    """Step."""
    last: int
    reward_first: float | None
    reward_last: float | None


def list_prompts(run: Run, mode: Mode = "train") -> list[PromptRow]:
    """Return the prompts that were sampled most often, the most often first."""
    found = run.query(
        "SELECT prompt_hash, count(*) AS n, min(step) AS first, max(step) AS last, arg_min(reward, step) AS before, "
        "arg_max(reward, step) AS after, arg_max(batch, step) AS batch, arg_max(group_index, step) AS place "
        "FROM groups WHERE mode = $1 GROUP BY prompt_hash ORDER BY n DESC, prompt_hash LIMIT $2",
        [mode, LISTED],
    ).to_pylist()
    rows = []
    for row in found:
        prompt = run.group(row["last"], row["place"], mode=mode, batch=row["batch"]).group.prompt
        rows.append(
            PromptRow(
                prompt_hash=row["prompt_hash"],
                prompt=prompt[-1].content if prompt else "",
                groups=row["n"],
                first=row["first"],
                last=row["last"],
                reward_first=row["before"],
                reward_last=row["after"],
            )
        )
    return rows


def spread(count: int, most: int = THUMBNAILS) -> list[int]:
    """Return places from 0 to count - 1, evenly spread, at most so many, the first and the last included."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def near_pairs(earlier: GroupRecord, later: GroupRecord, most: int = COMPARED) -> list[Pair]:
    """Return the nearest pairs of two groups, whose words the embedder `hash` compares: it needs no model."""
    return nearest_pairs(earlier, later, _embedder(), limit=most)


@functools.cache
def _embedder() -> Embedder:
    return load_embedder(EmbedderSettings(name="hash"))


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
        found = look_at_prompt(run, prompt, mode)
        chosen = _chosen(params, found)
    except RunError as error:
        if wanted:
            raise
        return _choice(run, mode) | {"error": "; ".join(error.problems)}
    name = f"{run.name}-prompt-{prompt}"
    state = {"prompt": prompt, "mode": mode, "between": f"{chosen[0]},{chosen[1]}"}
    return {"parts": {"prompt": _head(found, mode) + _curves(found.rows, name)}, "state": state}


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
        side_by_side(
            f"step {earlier.step}, completion {pair.earlier}",
            f"step {later.step}, completion {pair.later}",
            compared(earlier.group.completions[pair.earlier], later.group.completions[pair.later]),
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
    return look_at_prompt(run, prompt, mode), mode


def _chosen(params: read.Params, found: PromptHistory) -> tuple[int, int]:
    """Return the places of the two groups to compare: as asked, or the first and the last."""
    last = len(found.rows) - 1
    first, second = read.pair(params, "between") or (0, last)
    return (first, second) if first != second and max(first, second) <= last else (0, last)


def _head(found: PromptHistory, mode: Mode) -> str:
    first, last = found.rows[0], found.rows[-1]
    times = f"{len(found.rows)} groups, steps {first.step} to {last.step}" if first is not last else "one group"
    text = one_line(found.prompt, SHOWN_PROMPT)
    return (
        f'<header class="dra-group-head"><h3>One prompt through training</h3><span class="dra-note">{times}, {mode}</span>'
        f'<button type="button" class="dra-quiet" data-list="1">other prompts</button></header>'
        f'<section class="dra-prompt"><div class="dra-text" dir="auto">{text}</div></section>'
    )


def _thumb(run: Run, row: GroupRow, place: int, chosen: bool) -> str:
    record = run.group(row.step, row.index, mode=row.mode, batch=row.batch)
    drawing = thumbnail(record.adjustment.similarity) if is_measured(record) else NOT_KNOWN
    said = f"step {row.step}, group {row.index}"
    where = f'data-step="{row.step}" data-batch="{row.batch}" data-group="{row.index}"'
    return (
        f'<div class="dra-thumb-box{" chosen" if chosen else ""}"><button type="button" data-place="{place}" '
        f'title="{said}">{drawing}</button><b>step {row.step}</b>'
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
        f'<tr data-prompt="{row.prompt_hash}" tabindex="0"><th scope="row">{one_line(row.prompt, 160)}</th>'
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


def _curves(rows: Sequence[GroupRow], name: str) -> str:
    """Return the measures of the prompt's groups by step; a click on a point chooses its group."""
    steps = np.array([row.step for row in rows], dtype=np.int64)
    figures = []
    wanted = {measure.name for measure in shown_in("prompt")}
    for panel in PANELS:
        if panel.key not in wanted or len(rows) < 2:
            continue
        values = {name: np.array([row.measures[name] for row in rows], dtype=np.float64) for name, _, _ in panel.lines}
        lines = [
            Line(name=said, steps=steps, values=values[name], colour=colour(kind)) for name, said, kind in panel.lines
        ]
        drawing = curves(lines, y_title=panel.y_title, size=(320, 170), percent=panel.percent, zero=panel.zero)
        if not drawing:
            continue
        cells: list[list[Cell]] = [
            [row.step, row.batch, row.index, *(row.measures[name] for name in values)] for row in rows
        ]
        head: list[Cell] = ["step", "batch", "group", *values]
        legend = line_key(*((line.name, line.colour, "") for line in lines))
        figures.append(
            figure(
                panel.title, drawing, rows=[head, *cells], name=f"{name}-{panel.key}", legend=legend, help=panel.help
            )
        )
    return f'<div class="dra-figures small">{"".join(figures)}</div>'


PAGE = Page(
    title="Prompt",
    place=20,
    shell=SHELL,
    keys=("mode", "prompt", "between"),
    questions={"show": show, "thumbnails": thumbnails, "differences": differences},
    alone=True,
)
