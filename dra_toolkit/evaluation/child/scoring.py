"""Score answers beside the generation, each within bounds, whatever a model wrote.

A guardian process is forked before any model is loaded. It hands answers to worker processes, whose main thread scores:
there lighteval's own time limits, which are signals, work. An answer may use 8 seconds of processor time; then an
exception that no `except Exception` swallows is raised, and again every second. What does not heed it is killed by the
kernel after 20 seconds of processor time, or by the guardian after 120 of wall time, and another worker takes its place.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child import bounds
from dra_toolkit.evaluation.results.json_lines import Sample, SampleRows

WALL_SECONDS = 120.0
PR_SET_PDEATHSIG = 1


def digest(text: str) -> str:
    """Return what tells whether a score belongs to this completion."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class Scoring:
    """The guardian, as the evaluating process sees it."""

    def __init__(self, workers: int) -> None:
        """Fork the guardian; call it before threads and engines are started."""
        self._here, there = Pipe()
        self._process = _fork(lambda: _guard(there, workers), close=self._here)
        there.close()
        self._path: Path | None = None

    def open(self, path: Path, metric: Mapping[str, Any]) -> None:
        """Begin with a benchmark: scores are kept in the file `path`, and those already there are not made again."""
        self._path = path
        self._send({"open": str(path), "metric": dict(metric)})

    def submit(self, row: Mapping[str, Any], sample: int, text: str) -> None:
        """Have one answer scored; row: its problem as staged."""
        self._send({"row": dict(row), "sample": sample, "text": text})

    def finish(self, *, tell: Callable[[int], None] = lambda left: None) -> dict[Sample, dict[str, Any]]:
        """Wait for every score of the benchmark and return them; `tell` hears how many are left."""
        self._send({"finish": True})
        while True:
            try:
                said = json.loads(self._here.recv_bytes())
            except EOFError:
                raise RuntimeError("the process that scores answers has died") from None
            if said["left"] == 0:
                break
            tell(said["left"])
        assert self._path is not None
        kept = SampleRows(self._path)
        kept.close()
        return kept.rows

    def close(self) -> None:
        """End the guardian and its workers."""
        self._here.close()
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)

    def _send(self, message: Mapping[str, Any]) -> None:
        self._here.send_bytes(json.dumps(message).encode())


@dataclass
class _Worker:
    """A worker as the guardian sees it."""

    pid: int
    pipe: Connection
    task: dict[str, Any] | None = None
    deadline: float = 0.0


class _Guardian:
    """Hands out answers, keeps scores, replaces workers that are killed."""

    def __init__(self, pipe: Connection, workers: int) -> None:
        self._pipe = pipe
        self._wanted = workers
        self._workers: list[_Worker] = []
        self._queue: deque[dict[str, Any]] = deque()
        self._again: deque[dict[str, Any]] = deque()
        """What was not scored, each to be tried once more with nothing beside it."""
        self._scores: SampleRows | None = None
        self._metric: dict[str, Any] = {}
        self._finishing = False

    def run(self) -> None:
        """Serve until the evaluating process is gone."""
        while True:
            busy = [worker for worker in self._workers if worker.task]
            now = time.monotonic()
            patience = min([1.0, *(max(0.0, worker.deadline - now) for worker in busy)]) if busy else None
            ready = wait([self._pipe, *(worker.pipe for worker in busy)], patience)
            if self._pipe in ready:
                try:
                    self._heed(json.loads(self._pipe.recv_bytes()))
                except (EOFError, OSError):
                    return
            for worker in busy:
                if worker.pipe in ready:
                    self._collect(worker)
                elif time.monotonic() > worker.deadline:
                    self._replace(worker)
            self._hand_out()
            if self._finishing:
                self._report()

    def end(self) -> None:
        """Kill the workers."""
        for worker in self._workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)

    def _heed(self, message: dict[str, Any]) -> None:
        if "open" in message:
            self._scores, self._metric = SampleRows(Path(message["open"])), message["metric"]
        elif "finish" in message:
            self._finishing = True
        else:
            assert self._scores is not None
            kept = self._scores.rows.get((message["row"]["id"], message["sample"]))
            if kept is None or kept.get("digest") != digest(message["text"]):
                self._queue.append(message)

    def _hand_out(self) -> None:
        if self._finishing and not self._queue and self._again and not any(worker.task for worker in self._workers):
            self._queue.append(self._again.popleft())
        while self._queue:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) < self._wanted:
                idle = self._start()
            if idle is None:
                return
            idle.task = self._queue.popleft()
            idle.deadline = time.monotonic() + WALL_SECONDS
            with suppress(OSError):  # it has died; its end of the pipe says so
                idle.pipe.send_bytes(json.dumps({"metric": self._metric, **idle.task}).encode())

    def _start(self) -> _Worker:
        here, there = Pipe()
        others = [self._pipe, *(worker.pipe for worker in self._workers)]
        pid = _fork(lambda: _work(there), close=(here, *others))
        there.close()
        worker = _Worker(pid, here)
        self._workers.append(worker)
        return worker

    def _collect(self, worker: _Worker) -> None:
        try:
            self._keep(worker, json.loads(worker.pipe.recv_bytes()))
        except (EOFError, OSError):
            self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        """Count the answer of a worker that hangs or has died as wrong, and let another take its place."""
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)
        worker.pipe.close()
        self._workers.remove(worker)
        if worker.task:
            lost = {"correct": False, "judged": None, "answer": None}
            self._keep(worker, {**lost, "seconds": float(bounds.KILLED_AFTER), "how": "killed"})

    def _keep(self, worker: _Worker, result: dict[str, Any]) -> None:
        assert worker.task is not None
        assert self._scores is not None
        task, worker.task = worker.task, None
        if result["how"] != "scored" and not task.get("again"):
            self._again.append({**task, "again": True})
            return
        self._scores.add(
            {"problem": task["row"]["id"], "sample": task["sample"], "digest": digest(task["text"]), **result}
        )

    def _report(self) -> None:
        left = len(self._queue) + len(self._again) + sum(worker.task is not None for worker in self._workers)
        if left == 0:
            self._finishing = False
            assert self._scores is not None
            self._scores.close()
        with suppress(OSError):
            self._pipe.send_bytes(json.dumps({"left": left}).encode())


def _guard(pipe: Connection, workers: int) -> None:
    guardian = _Guardian(pipe, workers)
    try:
        guardian.run()
    finally:
        guardian.end()


def _work(pipe: Connection) -> None:
    """Score answers until the guardian is gone."""
    bounds.limit_memory()
    while True:
        try:
            task = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        started = time.process_time()
        result = bounds.score_within_bounds(task["metric"], task["row"], task["text"])
        pipe.send_bytes(json.dumps({**result, "seconds": round(time.process_time() - started, 4)}).encode())


def _fork(function: Callable[[], None], *, close: Connection | tuple[Connection, ...]) -> int:
    """Run a function in a forked process that ends with it, and with its parent; return its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with(parent)
        for connection in close if isinstance(close, tuple) else (close,):
            connection.close()
        function()
        status = 0
    except KeyboardInterrupt:
        pass
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
