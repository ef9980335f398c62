"""The Prompt page: the same prompt through training, its groups early to late, and how two of them differ."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from dra_app import params as read
from dra_app.figure import Cell, figure, line_key
from dra_app.pages import Answer, Page, spread
from dra_app.pages.overview.figures import PANELS, Panel
from dra_app.palette import colour
from dra_app.side_by_side import side_by_side
from dra_app.templates import part
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.numbers import NOT_KNOWN, short
from dra_toolkit.drawing.similarity_map import thumbnail
from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import is_measured, shown_in
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.group_list import GroupRow, Pair, PromptHistory, find_prompt, look_at_prompt, nearest_pairs
from dra_toolkit.runs import Run

LISTED = 12
"""Prompts that are offered to choose from."""
THUMBNAILS = 12
"""Groups of a prompt that are shown small."""
COMPARED = 6
"""Pairs of completions of two steps that are compared."""
_PARTS = ("head", "asked", "prompt", "thumbs", "pairs")


def list_prompts(run: Run, mode: Mode = "train") -> list[dict[str, Any]]:
    """Return the prompts that were sampled most often, the most often first, each with its last message."""
    rows: list[dict[str, Any]] = run.query(
        "SELECT prompt_hash, count(*) AS groups, min(step) AS first, max(step) AS last, arg_min(reward, step) AS "
        "reward_first, arg_max(reward, step) AS reward_last, arg_max(batch, step) AS batch, arg_max(group_index, step) "
        "AS place FROM groups WHERE mode = $1 GROUP BY prompt_hash ORDER BY groups DESC, prompt_hash LIMIT $2",
        [mode, LISTED],
    ).to_pylist()
    for row in rows:
        prompt = run.group(row["last"], row["place"], mode=mode, batch=row["batch"]).group.prompt
        row["prompt"] = prompt[-1].content if prompt else ""
    return rows


def near_pairs(earlier: GroupRecord, later: GroupRecord, most: int = COMPARED) -> list[Pair]:
    """Return the nearest pairs of two groups, whose words the embedder `hash` compares: it needs no model."""
    return nearest_pairs(earlier, later, _embedder(), limit=most)


@functools.cache
def _embedder() -> Embedder:
    return load_embedder(EmbedderSettings(name="hash"))


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
    parts = {"head": part("prompt", "head", found, mode), "asked": part("prompt", "text", found)}
    return {"parts": {**parts, "prompt": part("prompt", "figures", _curves(found.rows, name))}, "state": state}


def _choice(run: Run, mode: Mode) -> Answer:
    rows = list_prompts(run, mode)
    parts = {"prompt": part("prompt", "list", rows, mode), "asked": part("prompt", "finder") if rows else ""}
    return {"parts": dict.fromkeys(_PARTS, "") | parts, "state": {"mode": mode, "prompt": "", "between": ""}}


def thumbnails(run: Run, params: read.Params) -> Answer:
    """Return some of the prompt's groups small, evenly spread over training."""
    found, _ = _history(run, params)
    chosen = _chosen(params, found)
    places = sorted({*spread(range(len(found.rows)), THUMBNAILS), *chosen})
    rows = [(found.rows[i], i, i in chosen, _thumbnail(run, found.rows[i])) for i in places]
    return {"parts": {"thumbs": part("prompt", "thumbs", rows)}}


def _thumbnail(run: Run, row: GroupRow) -> str:
    record = run.group(row.step, row.index, mode=row.mode, batch=row.batch)
    return thumbnail(record.adjustment.similarity) if is_measured(record) else NOT_KNOWN


def differences(run: Run, params: read.Params) -> Answer:
    """Return what changed between two groups of the prompt, by the completions that are most alike."""
    found, mode = _history(run, params)
    first, second = _chosen(params, found)
    if first == second:
        return {"parts": {"pairs": part("prompt", "once")}}
    rows = found.rows[first], found.rows[second]
    earlier, later = (run.group(row.step, row.index, mode=mode, batch=row.batch) for row in rows)
    pairs = [
        side_by_side(
            (f"step {earlier.step}, completion {pair.earlier}", f"step {later.step}, completion {pair.later}"),
            (earlier.group.completions[pair.earlier], later.group.completions[pair.later]),
            f"similarity of the words {short(pair.similarity)}",
        )
        for pair in near_pairs(earlier, later)
    ]
    return {"parts": {"pairs": part("prompt", "pairs", earlier.step, later.step, pairs)}}


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


def _curves(rows: Sequence[GroupRow], name: str) -> list[Markup]:
    """Return the measures of the prompt's groups by step; a click on a point chooses its group."""
    wanted = {measure.name for measure in shown_in("prompt")} if len(rows) > 1 else set()
    return [_curve(panel, rows, name) for panel in PANELS if panel.key in wanted]


def _curve(panel: Panel, rows: Sequence[GroupRow], name: str) -> Markup:
    steps, names = np.array([row.step for row in rows], dtype=np.int64), [measure for measure, _, _ in panel.lines]
    lines = [
        Line(name=said, steps=steps, values=np.array([row[measure] for row in rows]), colour=colour(kind))
        for measure, said, kind in panel.lines
    ]
    drawing = curves(lines, y_title=panel.y_title, size=(320, 170), percent=panel.percent, zero=panel.zero)
    cells: list[list[Cell]] = [["step", "batch", "group", *names]]
    cells += [[row.step, row.batch, row.index, *(row.measures[measure] for measure in names)] for row in rows]
    legend = line_key(*((line.name, line.colour, "") for line in lines))
    return figure(panel.title, drawing, rows=cells, name=f"{name}-{panel.key}", legend=legend, help=panel.help)


PAGE = Page(
    title="Prompt", place=20, keys=("mode", "prompt", "between"), questions=(show, thumbnails, differences), alone=True
)
