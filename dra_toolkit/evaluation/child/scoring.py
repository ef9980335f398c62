"""Score answers beside the generation, each within bounds, whatever a model wrote.

A guardian process is forked before any model is loaded, and with it a pool of workers, whose main thread scores: there
limits that are signals work. Each imports the metric first, outside of these: an answer may use 8 seconds of processor
time; then an exception that no `except Exception` swallows is raised, and again every half second. What does not heed it
is killed by the kernel after 14 seconds of processor time, or after 120 of wall time, and another worker takes its place.
"""

import os
import time
from collections import deque
from collections.abc import Mapping
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
WAITING = 1024  # answers not yet scored, at most: their texts are in memory, so whoever has more waits


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

    def finish(self) -> None:
        """Wait until every answer is scored."""
        self._here.send(("finish",))
        try:
            self._here.recv()
        except EOFError:
            raise RuntimeError("the process that scores answers has died") from None

    def close(self) -> None:
        """End the guardian, and with it its workers, which else take their time to part: what was scored is on disk."""
        self._process.kill()
        self._process.join()


class _Guardian:
    """Hands answers to the workers and writes what they say; what was not scored is tried once more alone."""

    def __init__(self, pipe: Connection, workers: int) -> None:
        from pebble import ProcessPool

        self._pipe = pipe
        initial: dict[str, Any] = {"initializer": prepare, "initargs": (os.getpid(), partial(open_rs_metric, "latex"))}
        self._pool: Any = ProcessPool(max_workers=workers, context=get_context("fork"), **initial)
        self._open: deque[tuple[Future[Any], tuple[Any, ...]]] = deque()
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
                        self._open.append((self._scheduled(tuple(rest)), tuple(rest)))
                        while self._open and (self._open[0][0].done() or len(self._open) > WAITING):
                            self._collect()
                    else:
                        self._finish()
        finally:
            self._pool.stop()
            self._pool.join()

    def _scheduled(self, task: tuple[Any, ...]) -> Future[Any]:
        row, _, text = task
        future: Future[Any] = self._pool.schedule(_score, args=(self._metric, row, text), timeout=WALL_SECONDS)
        return future

    def _collect(self) -> None:
        """Take the result of the answer that waits longest, as soon as it is there."""
        future, task = self._open.popleft()
        result = _result(future)
        if result["how"] == "scored":
            self._keep(task, result)
        else:
            self._again.append(task)

    def _finish(self) -> None:
        while self._open:
            self._collect()
        for task in self._again:
            self._keep(task, _result(self._scheduled(task)))
        self._again.clear()
        if self._scores is not None:
            self._scores.close()
        self._pipe.send("scored")

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
