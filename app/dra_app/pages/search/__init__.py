"""The Search page: a text or an expression over all completions of a run, with filters, a page at a time."""

import time
from typing import Any

from dra_app import params as read
from dra_app.pages import Answer, Page
from dra_app.templates import part
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.selection import Selection, read_condition, read_steps
from dra_toolkit.inspection.text_search import Hits, Wanted, correct_sql, search
from dra_toolkit.runs import Run

PAGE_SIZE = 20
LONGEST = 1_000
FURTHEST = 1_000_000


def show(run: Run, params: read.Params) -> Answer:
    """Return a page of hits, or what to do where nothing is asked for yet."""
    text = str(params.get("q") or "")[:LONGEST]
    if not text:
        return {"parts": {"hits": part("search", "nothing", run.name), "count": ""}, "state": {}}
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
    rows = []
    for hit in hits.rows:
        place = {each: getattr(hit, each) for each in ("step", "mode", "batch", "group", "completion")}
        place |= {"page": "groups", "run": run.name, "find": hit.found[:80]}
        rows.append((hit, place, facts.get((hit.step, hit.batch, hit.group, hit.completion))))
    return {"parts": {"hits": part("search", "hits", hits, rows, time.perf_counter() - since, PAGE_SIZE)}, "state": {}}


def count(run: Run, params: read.Params) -> Answer:
    """Return in how many completions the text is: the whole run is read for it, so it is asked after the hits."""
    text = str(params.get("q") or "")[:LONGEST]
    found = search(run, wanted_from(params, text), selection_from(params), limit=0, count=True)
    return {"parts": {"count": "; ".join(filter(None, (f"{found.total:,} completions in all", run.texts_left_out())))}}


def _facts(run: Run, hits: Hits) -> dict[tuple[int, int, int, int], dict[str, Any]]:
    """Return total, advantage and verdict of the completions that were hit, by step, batch, group and completion."""
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
    correct = {"": None, "0": False, "1": True}[read.choice(params, "correct", ("", "0", "1"), "")]
    regex, case = read.flag(params, "regex"), read.flag(params, "case")
    return Wanted(text=text, is_regex=regex, ignore_case=not case, correct=correct)


def selection_from(params: read.Params) -> Selection:
    """Return among which groups; raises RunError for steps or conditions that are none."""
    written = str(params.get("steps") or "")[:40]
    conditions = tuple(read_condition(part) for part in read.several(params, "where"))
    return Selection(modes=(read.mode(params),), steps=read_steps(written or None), conditions=conditions)


PAGE = Page(
    title="Search",
    place=50,
    keys=("mode", "q", "regex", "case", "correct", "steps", "where", "offset"),
    questions=(show, count),
)
