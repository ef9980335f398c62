"""What the server answers the Search page: one page of completions in which the text was found."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from dra_app.data import params as read
from dra_app.figures.svg import escaped
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.selection import Selection, read_condition
from dra_toolkit.inspection.step_range import read_steps
from dra_toolkit.inspection.text_search import Hit, Hits, Wanted, search
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

Answer = dict[str, Any]
PAGE = 20
LONGEST = 1_000
FURTHEST = 1_000_000


def show(run: Run, params: read.Params) -> Answer:
    """Return a page of hits, or what to do where nothing is asked for yet."""
    text = str(params.get("q") or "")[:LONGEST]
    if not text:
        said = (
            "Type a text that some completions of <b>"
            f"{escaped(run.name)}</b> contain: a phrase of a solution, a wrong answer, a word that is repeated. "
            "Each hit opens its group."
        )
        return {"parts": {"hits": f'<p class="dra-empty">{said}</p>'}, "state": {}}
    try:
        return _found(run, params, text)
    except DRAError as error:
        said = "; ".join(error.problems).replace("--where", "groups where")
        return {"error": said, "parts": {"hits": ""}, "state": {}}


def _found(run: Run, params: read.Params, text: str) -> Answer:
    offset = min(read.whole(params, "offset", 0) or 0, FURTHEST)
    since = time.perf_counter()
    hits = search(run, wanted_from(params, text), selection_from(params), limit=PAGE, offset=offset)
    return {"parts": {"hits": hits_part(hits, run.name, time.perf_counter() - since)}, "state": {}}


def wanted_from(params: read.Params, text: str) -> Wanted:
    """Return what is searched for; raises RunError for an expression that is none."""
    correct = read.choice(params, "correct", ("", "0", "1"), "")
    return Wanted(
        text=text,
        is_regex=read.flag(params, "regex"),
        ignore_case=not read.flag(params, "case"),
        correct=None if correct == "" else correct == "1",
    )


def selection_from(params: read.Params) -> Selection:
    """Return among which groups; raises RunError for steps or conditions that are none."""
    written = str(params.get("steps") or "")[:40]
    conditions = tuple(read_condition(part) for part in read.several(params, "where"))
    return Selection(modes=(read.mode(params),), steps=read_steps(written or None), conditions=conditions)


def hits_part(hits: Hits, run: str, seconds: float) -> str:
    """Return the hits as links to their groups, and the way to the next ones."""
    if not hits.rows:
        nothing = "No completion has this. Fewer filters, or a shorter text, find more."
        said = "No more completions." if hits.offset else nothing
        back = _pages(hits) if hits.offset else ""
        return f'<p class="dra-empty">{said}</p>{back}'
    listed = "".join(f"<li>{_hit(hit, run)}</li>" for hit in hits.rows)
    first, last = hits.offset + 1, hits.offset + len(hits.rows)
    said = f"completions {first:,} to {last:,}{', more follow' if hits.has_more else ''} · {seconds:.2f} s"
    return f'<p class="dra-note">{said}</p><ol class="dra-hits" start="{first}">{listed}</ol>{_pages(hits)}'


def _hit(hit: Hit, run: str) -> str:
    place = {"step": hit.step, "mode": hit.mode, "batch": hit.batch, "group": hit.group}
    address = urlencode({"page": "groups", "run": run, **place})
    times = f" · {hit.times} times" if hit.times > 1 else ""
    batch = f"batch {hit.batch}, " if hit.batch else ""
    head = f"step {hit.step}, {batch}group {hit.group}, completion {hit.completion}{times}"
    text = f"{_shown(hit.before)}<mark>{_shown(hit.found)}</mark>{_shown(hit.after)}"
    data = " ".join(f'data-{name}="{escaped(value)}"' for name, value in place.items())
    return f'<a href="?{escaped(address)}" data-hit {data}><small>{head}</small><p dir="auto">… {text} …</p></a>'


def _shown(text: str) -> str:
    return escaped(visible(text))


def _pages(hits: Hits) -> str:
    before = max(0, hits.offset - PAGE)
    parts = []
    if hits.offset:
        parts.append(f'<button type="button" class="dra-quiet" data-offset="{before or ""}">◀ previous {PAGE}</button>')
    if hits.has_more:
        parts.append(
            f'<button type="button" class="dra-quiet" data-offset="{hits.offset + PAGE}">next {PAGE} ▶</button>'
        )
    return f'<div class="dra-pages">{"".join(parts)}</div>'
