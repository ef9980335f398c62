"""The Search page: a text or an expression over all completions of a run, with filters, a page at a time."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from dra_app import params as read
from dra_app.pages import Answer, Page
from dra_app.verdicts import verdict_mark
from dra_toolkit.drawing.numbers import short, signed
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.selection import Selection, read_condition, read_steps
from dra_toolkit.inspection.text_search import Hit, Hits, Wanted, correct_sql, search
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

PAGE_SIZE = 20
LONGEST = 1_000
FURTHEST = 1_000_000
SHELL = """
<form class="dra-bar-form" data-form role="search">
  <input type="search" name="q" placeholder="text in the completions" aria-label="text in the completions"
    autocomplete="off">
  <button class="dra-primary">Search</button>
  <label><input type="checkbox" name="regex" value="1"> regular expression</label>
  <label><input type="checkbox" name="case" value="1"> match case</label>
  <label>groups <select name="mode"><option value="">training</option><option value="eval">evaluation</option>
  <option value="discarded">discarded</option></select></label>
  <label>completions <select name="correct"><option value="">all</option><option value="1">correct</option>
  <option value="0">wrong</option></select></label>
  <label>steps <input name="steps" size="8" placeholder="all"
    title="a step, or a range such as 10..20, 10.. or ..20"></label>
  <label>groups where <input name="where" size="14" placeholder="flips &gt; 0" title="a measure, a comparison and a number,
such as flips &gt; 0 or similarity &gt;= 0.9; several with commas"></label>
</form>
<div class="dra-message" data-part="message" role="alert" hidden></div>
<p class="dra-note" data-part="count" aria-live="polite"></p>
<div data-part="hits"></div>
"""
Facts = dict[tuple[int, int, int, int], dict[str, Any]]
"""Step, batch, group and completion -> its total reward, its advantage, whether it is right."""


def show(run: Run, params: read.Params) -> Answer:
    """Return a page of hits, or what to do where nothing is asked for yet."""
    text = str(params.get("q") or "")[:LONGEST]
    if not text:
        said = (
            "Type a text that some completions of <b>"
            f"{escaped(run.name)}</b> contain: a phrase of a solution, a wrong answer, a word that is repeated. "
            "Each hit opens its group."
        )
        return {"parts": {"hits": f'<p class="dra-empty">{said}</p>', "count": ""}, "state": {}}
    try:
        return _found(run, params, text)
    except DRAError as error:
        said = "; ".join(error.problems).replace("--where", "groups where")
        return {"error": said, "parts": {"hits": "", "count": ""}, "state": {}}


def _found(run: Run, params: read.Params, text: str) -> Answer:
    offset = min(read.whole(params, "offset", 0) or 0, FURTHEST)
    since = time.perf_counter()
    hits = search(run, wanted_from(params, text), selection_from(params), limit=PAGE_SIZE, offset=offset)
    facts = _facts(run, hits)
    return {"parts": {"hits": hits_part(hits, run.name, time.perf_counter() - since, facts)}, "state": {}}


def count(run: Run, params: read.Params) -> Answer:
    """Return in how many completions the text is: the whole run is read for it, so it is asked after the hits."""
    text = str(params.get("q") or "")[:LONGEST]
    found = search(run, wanted_from(params, text), selection_from(params), limit=0, count=True)
    return {"parts": {"count": f"{found.total:,} completions in all"}}


def _facts(run: Run, hits: Hits) -> Facts:
    """Return the numbers of the completions that were hit."""
    if not hits.rows:
        return {}
    right = correct_sql(run, (hits.rows[0].mode,)) or "NULL"
    places = ", ".join(f"({hit.step}, {hit.batch}, {hit.group}, {hit.completion})" for hit in hits.rows)
    key = "step, batch, group_index, completion_index"
    rows = run.query(
        f"SELECT {key}, total, advantage, {right} AS verdict FROM completions WHERE mode = $1 AND ({key}) IN ({places})",
        [hits.rows[0].mode],
        steps=(min(hit.step for hit in hits.rows), max(hit.step for hit in hits.rows)),
    ).to_pylist()
    return {(row["step"], row["batch"], row["group_index"], row["completion_index"]): row for row in rows}


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


def hits_part(hits: Hits, run: str, seconds: float, facts: Facts) -> str:
    """Return the hits as links to their groups, and the way to the next ones."""
    if not hits.rows:
        nothing = "No completion has this. Fewer filters, or a shorter text, find more."
        said = "No more completions." if hits.offset else nothing
        back = _pages(hits) if hits.offset else ""
        return f'<p class="dra-empty">{said}</p>{back}'
    listed = "".join(f"<li>{_hit(hit, run, facts)}</li>" for hit in hits.rows)
    first, last = hits.offset + 1, hits.offset + len(hits.rows)
    said = f"completions {first:,} to {last:,}{', more follow' if hits.has_more else ''} · {seconds:.2f} s"
    return f'<p class="dra-note">{said}</p><ol class="dra-hits" start="{first}">{listed}</ol>{_pages(hits)}'


def _hit(hit: Hit, run: str, facts: Facts) -> str:
    place = {
        "step": hit.step,
        "mode": hit.mode,
        "batch": hit.batch,
        "group": hit.group,
        "completion": hit.completion,
    }
    known = facts.get((hit.step, hit.batch, hit.group, hit.completion))
    numbers = ""
    if known:
        pushed = f"reward {short(known['total'])} · advantage {signed(known['advantage'])}"
        numbers = f" · {verdict_mark(known['verdict'])} · {pushed}"
    address = urlencode({"page": "groups", "run": run, **place, "find": hit.found[:80]})
    times = f" · {hit.times} times" if hit.times > 1 else ""
    batch = f"batch {hit.batch}, " if hit.batch else ""
    head = f"step {hit.step}, {batch}group {hit.group}, completion {hit.completion}{times}"
    text = f"{_shown(hit.before)}<mark>{_shown(hit.found)}</mark>{_shown(hit.after)}"
    data = " ".join(f'data-{name}="{escaped(value)}"' for name, value in place.items())
    return (
        f'<a href="?{escaped(address)}" data-hit {data}><small>{head}{numbers}</small><p dir="auto">… {text} …</p></a>'
    )


def _shown(text: str) -> str:
    return escaped(visible(text))


def _pages(hits: Hits) -> str:
    before = max(0, hits.offset - PAGE_SIZE)
    parts = []
    if hits.offset:
        parts.append(
            f'<button type="button" class="dra-quiet" data-offset="{before or ""}">◀ previous {PAGE_SIZE}</button>'
        )
    if hits.has_more:
        parts.append(
            f'<button type="button" class="dra-quiet" data-offset="{hits.offset + PAGE_SIZE}">next {PAGE_SIZE} ▶</button>'
        )
    return f'<div class="dra-pages">{"".join(parts)}</div>'


PAGE = Page(
    title="Search",
    place=50,
    shell=SHELL,
    keys=("mode", "q", "regex", "case", "correct", "steps", "where", "offset"),
    questions={"show": show, "count": count},
)
