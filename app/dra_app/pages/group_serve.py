"""How a page's question reaches a run: the run is found under the root, and a mistake is told in one line."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import DRAError
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    from dra_app.context import Context

Answer = dict[str, Any]
_LOCKS: weakref.WeakKeyDictionary[Run, threading.Lock] = weakref.WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()


def served(
    context: Context, answer: Callable[[Run, dict[str, Any]], Answer], params: Any, *, alone: bool = False
) -> Answer:
    """Return what `answer` says of the run that the request names, or the mistake in it.

    alone: no two such answers read one run at a time, since reading its groups keeps the file of the last one open.
    """
    if not isinstance(params, dict):
        return {"error": "expected the values of a request by their names"}
    try:
        run = context.run(str(params.get("run") or ""))
        with _lock_of(run) if alone else nullcontext():
            return answer(run, params)
    except DRAError as error:
        return {"error": "; ".join(error.problems)}


def _lock_of(run: Run) -> threading.Lock:
    with _LOCKS_LOCK:
        return _LOCKS.setdefault(run, threading.Lock())
