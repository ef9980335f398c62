"""Score answers beside the generation, each within bounds, whatever a model wrote.

A guardian process is forked before any model is loaded, and with it a pool of workers, whose main thread scores: there
limits that are signals work. An answer may use 8 seconds of processor time; then an exception that no `except Exception`
swallows is raised, and again every half second. What does not heed it is killed by the kernel after 14 seconds of
processor time, or after 120 of wall time, and another worker takes its place.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child.metric import CPU_SECONDS, NOTHING, limit_memory, score_within_bounds
from dra_toolkit.evaluation.results.answers import Lines, digest

WALL_SECONDS = 120.0
TELL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


class Scoring:
    """The guardian, as the evaluating process sees it."""

    def __init__(self, workers: int) -> None:
        """Fork the guardian; call it before threads and engines are started."""
        self._here, there = Pipe()
        self._process = _fork(lambda: _guard(there, workers), close=self._here)
        there.close()

    def open(self, path: Path, metric: Mapping[str, Any]) -> None:
        """Begin with a benchmark, whose scores are appended to the file `path`."""
        self._here.send(("open", str(path), dict(metric)))

    def submit(self, row: Mapping[str, Any], sample: int, text: str) -> None:
        """Have one answer scored; row: its problem as staged."""
        self._here.send(("score", dict(row), sample, text))

    def finish(self, *, tell: Callable[[int], None] = lambda left: None) -> None:
        """Wait until every answer is scored; `tell` hears how many are left."""
        self._here.send(("finish",))
        while True:
            try:
                left = self._here.recv()
            except EOFError:
                raise RuntimeError("the process that scores answers has died") from None
            if left == 0:
                return
            tell(left)

    def close(self) -> None:
        """End the guardian and its workers."""
        self._here.close()
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)


class _Guardian:
    """Hands answers to the workers and writes what they say; what was not scored is tried once more alone."""

    def __init__(self, pipe: Connection, workers: int) -> None:
        from pebble import ProcessPool

        self._pipe = pipe
        self._pool: Any = ProcessPool(
            max_workers=workers, initializer=_begin, initargs=(os.getpid(),), context=get_context("fork")
        )
        self._open: dict[Future[Any], tuple[Any, ...]] = {}
        self._ready: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._again: list[tuple[Any, ...]] = []
        self._scores: Lines | None = None
        self._metric: dict[str, Any] = {}

    def serve(self) -> None:
        """Heed the evaluating process until it is gone."""
        with suppress(EOFError, OSError):
            while True:
                kind, *rest = self._pipe.recv()
                if kind == "open":
                    self._scores, self._metric = Lines(Path(rest[0])), rest[1]
                elif kind == "score":
                    self._submit(tuple(rest))
                    while not self._ready.empty():
                        self._collect()
                else:
                    self._finish()

    def _submit(self, task: tuple[Any, ...]) -> None:
        row, _, text = task
        future = self._pool.schedule(_score, args=(self._metric, row, text), timeout=WALL_SECONDS)
        self._open[future] = task
        future.add_done_callback(self._ready.put)

    def _collect(self) -> None:
        future = self._ready.get()
        task = self._open.pop(future)
        result = _result(future)
        if result["how"] == "scored":
            self._keep(task, result)
        else:
            self._again.append(task)

    def _finish(self) -> None:
        told = 0.0
        while self._open:
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                self._pipe.send(len(self._open) + len(self._again))
            self._collect()
        for task in self._again:
            row, _, text = task
            self._keep(task, _result(self._pool.schedule(_score, (self._metric, row, text), timeout=WALL_SECONDS)))
        self._again.clear()
        if self._scores is not None:
            self._scores.close()
        self._pipe.send(0)

    def _keep(self, task: tuple[Any, ...], result: Mapping[str, Any]) -> None:
        assert self._scores is not None
        row, sample, text = task
        self._scores.add({"problem": row["id"], "sample": sample, "digest": digest(text), **result})

    def end(self) -> None:
        """End the workers."""
        self._pool.stop()
        self._pool.join()


def _result(future: Future[Any]) -> dict[str, Any]:
    """Return what a worker found; an answer whose worker hung or died is wrong."""
    from pebble import ProcessExpired

    try:
        return dict(future.result())
    except (ProcessExpired, TimeoutError):
        return {**NOTHING, "how": "killed", "seconds": CPU_SECONDS}


def _guard(pipe: Connection, workers: int) -> None:
    guardian = _Guardian(pipe, workers)
    try:
        guardian.serve()
    finally:
        guardian.end()


def _begin(parent: int) -> None:
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler would wait for a long operation to end
    limit_memory()


def _score(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    started = time.process_time()
    result = score_within_bounds(metric, row, text)
    return {**result, "seconds": round(time.process_time() - started, 4)}


def _fork(function: Callable[[], None], *, close: Connection) -> int:
    """Run a function in a forked process that ends with it, and with its parent; return its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with(parent)
        close.close()
        function()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone (Linux; elsewhere closed pipes do)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
