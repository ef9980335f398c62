"""Score answers beside the generation, each within bounds, whatever a model wrote.

A guardian process is forked before any model is loaded, and with it a pool of workers, whose main thread scores: there
limits that are signals work. Each imports the metric first, outside of these: an answer may use 8 seconds of processor
time; then an exception that no `except Exception` swallows is raised, and again every half second. What does not heed it
is killed by the kernel after 14 seconds of processor time, or after 120 of wall time, and another worker takes its place.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child.metric import CPU_SECONDS, NOTHING, open_rs_metric, score_within_bounds
from dra_toolkit.evaluation.results.answers import Lines, digest
from dra_toolkit.judge.worker import prepare

WALL_SECONDS = 120.0
TELL_SECONDS = 1.0


class Scoring:
    """The guardian, as the evaluating process sees it."""

    def __init__(self, workers: int) -> None:
        """Fork the guardian; call it before threads and engines are started."""
        self._here, there = Pipe()
        self._process: Any = get_context("fork").Process(target=_guard, args=(there, self._here, workers))
        self._process.start()
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
        self._process.join()


class _Guardian:
    """Hands answers to the workers and writes what they say; what was not scored is tried once more alone."""

    def __init__(self, pipe: Connection, workers: int) -> None:
        from pebble import ProcessPool

        self._pipe = pipe
        initial: dict[str, Any] = {"initializer": prepare, "initargs": (os.getpid(), partial(open_rs_metric, "latex"))}
        self._pool: Any = ProcessPool(max_workers=workers, context=get_context("fork"), **initial)
        self._open: dict[Future[Any], tuple[Any, ...]] = {}
        self._ready: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._again: list[tuple[Any, ...]] = []
        self._scores: Lines | None = None
        self._metric: dict[str, Any] = {}

    def serve(self) -> None:
        """Heed the evaluating process until it is gone."""
        try:
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
        finally:
            self._pool.stop()
            self._pool.join()

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


def _result(future: Future[Any]) -> dict[str, Any]:
    """Return what a worker found; an answer whose worker hung or died is wrong."""
    from pebble import ProcessExpired

    try:
        return dict(future.result())
    except (ProcessExpired, TimeoutError):
        return {**NOTHING, "how": "killed", "seconds": CPU_SECONDS}


def _guard(pipe: Connection, other: Connection, workers: int) -> None:
    other.close()  # so that the end of the evaluating process is seen
    _Guardian(pipe, workers).serve()


def _score(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    started = time.process_time()
    result = score_within_bounds(metric, row, text)
    return {**result, "seconds": round(time.process_time() - started, 4)}
