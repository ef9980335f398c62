"""Calls that may hang, run in child processes within a bound on their processor time."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.judge import worker

_WALL = 40.0  # times the processor time: for what hangs without using any, on a machine however busy
_START_GRACE = 120.0  # seconds; a worker may have to import its parent's main script, and torch with it


class BoundedPool:
    """Child processes that call functions with at most `cpu_seconds` of processor time; safe to use from any thread.

    `workers` calls run at once. One process more stands by, warm, for the place of one that has to be killed. The
    processes start with the first call and end with their parent, however it ends. They are spawned, never forked, so
    they do not disturb CUDA; a script that uses the pool therefore needs `if __name__ == "__main__":` around what it
    does, unless it is started with `python -m package`.
    """

    def __init__(self, *, cpu_seconds: float, workers: int, warm_up: Callable[[], object]) -> None:
        self.cpu_seconds = cpu_seconds
        self.workers = workers
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._pool: Any = None
        self._owner = 0

    def run(self, function: Callable[..., Any], calls: Sequence[Iterable[Any]]) -> list[Any]:
        """Return what `function(*arguments)` returns for each of the calls, None where it ran out of time or died.

        `function` and its arguments must be picklable, and it must not return None. What it raises is raised.
        """
        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(lambda arguments: self._call(function, arguments), calls))

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        self._discard(self._pool)

    def _call(self, function: Callable[..., Any], arguments: Iterable[Any]) -> Any:
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        bounded, wall = (self.cpu_seconds, function, *arguments), _WALL * self.cpu_seconds
        for _ in range(2):
            pool = self._running()
            try:
                future: Future[Any] = pool.schedule(worker.call, args=bounded, timeout=wall)
            except RuntimeError:  # another thread closed it, or this process was forked from its owner
                self._discard(pool)
                continue
            try:
                return future.result(timeout=wall + _START_GRACE)
            except ProcessExpired:
                return None
            except TimeoutError:
                if future.done():  # its own time is over; else nothing began in all that time
                    return None
            except (BrokenProcessPool, CancelledError):
                pass
            self._discard(pool)
        raise RunError(
            "rewards: the worker processes that verify answers end as soon as they start, or hang; look for their "
            'error above; a script that trains must do so under `if __name__ == "__main__":`'
        )

    def _running(self) -> Any:
        """Return the pool, newly made if there is none."""
        from pebble import ProcessPool

        with self._lock:
            if self._pool is None:
                self._owner = os.getpid()
                self._pool = ProcessPool(
                    max_workers=self.workers + 1,
                    initializer=worker.prepare,
                    initargs=(self._owner, self._warm_up),
                    context=multiprocessing.get_context("spawn"),
                )
            return self._pool

    def _discard(self, pool: Any) -> None:
        with self._lock:
            if pool is None or self._pool is not pool:
                return
            self._pool = None
        if self._owner == os.getpid():
            pool.stop()
            pool.join()
