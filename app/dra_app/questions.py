"""How a question of the browser reaches a page: its run is found under the root, and a mistake is told in one line."""

from __future__ import annotations

import gzip
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from dra_app.pages import Answer, pages
from dra_app.pages.overview.ending import last_word, logs_of
from dra_app.templates import shared
from dra_toolkit.errors import UNFOLDS, DRAError, did_you_mean
from dra_toolkit.runs import Run
from dra_toolkit.runs.files import parse_json

if TYPE_CHECKING:
    import fastapi

    from dra_app.context import Context

Asked = Callable[[Any, Mapping[str, Any]], Answer]
PLACES = 64
"""Where questions wait, by the hash of their run's name: any name may be asked for, and none is kept."""
ENDED = ("finished", "stopped", "failed", "killed", "imported")
"""States of a run to which nothing is written any more, so that nothing needs to be asked again."""
_LOCKS: weakref.WeakKeyDictionary[Run, threading.Lock] = weakref.WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()


def answer(context: Context, page: str, question: str, params: Any) -> Answer | None:
    """Return what a page answers to a question, or the mistake in it; None where there is no such question."""
    found = pages().get(page)
    of_all = _named((look,) if page == "app" else found.context_questions if found else ())
    of_run = _named(found.questions if found else ())
    if question not in of_all and question not in of_run:
        return None
    if not isinstance(params, dict):
        return {"error": "expected the values of a question by their names"}
    try:
        if question in of_all:
            return of_all[question](context, params)
        run = context.run(str(params.get("run") or ""))
        with _lock_of(run) if found and found.alone else nullcontext():
            return of_run[question](run, params)
    except (DRAError, MemoryError) as error:
        return {"error": "; ".join(getattr(error, "problems", [UNFOLDS]))}


def _named(functions: Iterable[Asked]) -> dict[str, Asked]:
    return {function.__name__: function for function in functions}


def look(context: Context, params: Mapping[str, Any]) -> Answer:
    """Return what the bar shows: the runs, the state of the one shown, and a stamp that tells whether it was written to."""
    ids = context.run_ids()
    told: Answer = {"runs": ids, "welcome": "" if ids else shared("welcome", context.root)}
    wanted = str(params.get("page") or "")
    if wanted and wanted not in pages():
        told["error"] = f"page: there is no page {wanted[:40]!r}{did_you_mean(wanted, pages())}; the Overview is shown"
    run_id = str(params.get("run") or "")
    if not ids or not run_id:
        return told
    try:
        run = context.run(run_id)
        status = run.directory.status()
        state, word = str(status["state"])[:20], last_word(run, status)
        stamp = f"{context.stamp(run_id)} {state}"
        if word.is_silent:  # what it still says stands in its log
            stamp += f" silent {[log.stat().st_size for log in logs_of(run)]}"
        shown = "silent" if word.is_silent else state
        told |= {"state": shown, "wrote": word.said, "stamp": stamp, "ended": state in ENDED}
    except DRAError as error:
        told["gone"] = "; ".join(error.problems)
    return told


def add_questions(app: fastapi.FastAPI, context: Context) -> None:
    """Add the address at which the browser asks; few are answered at once, fewer of one run: others do not wait for it."""
    at_once, of_a_run = anyio.CapacityLimiter(8), [anyio.CapacityLimiter(5) for _ in range(PLACES)]

    @app.post("/dra/ask/{page}/{question}")
    async def ask(page: str, question: str, request: Request) -> Response:
        try:
            params = parse_json(await request.body() or b"{}")
        except ValueError:
            params = None
        packs = "gzip" in request.headers.get("accept-encoding", "")
        run = str(params.get("run")) if isinstance(params, dict) else ""
        async with of_a_run[hash(run) % PLACES]:
            return await anyio.to_thread.run_sync(_answered, context, page, question, params, packs, limiter=at_once)


def _answered(context: Context, page: str, question: str, params: Any, packs: bool) -> Response:
    import orjson

    found = answer(context, page, question, params)
    if found is None:
        return Response("There is no such question.", 404)
    body = orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = {"cache-control": "no-store"}
    if packs and len(body) > 2_000:  # below that it is not worth the time
        body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
    return Response(body, media_type="application/json", headers=headers)


def _lock_of(run: Run) -> threading.Lock:
    with _LOCKS_LOCK:
        return _LOCKS.setdefault(run, threading.Lock())
