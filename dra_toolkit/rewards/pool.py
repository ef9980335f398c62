"""Calls that may hang, run in child processes within a bound on their wall time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.rewards import worker

_CPU_GRACE = 2.0  # seconds of processor time on top of the wall time, so that the pool's own limit comes first
_START_GRACE = 120.0  # seconds; a worker may have to import its parent's main script, and torch with it


class BoundedPool:
    """Child processes that call functions, each call at most `timeout` seconds long; safe to use from any thread.

    The processes start with the first call, are replaced when a call has to be killed, and end with their parent,
    however it ends. They are spawned, never forked, so they do not disturb CUDA; a script that uses the pool therefore
    needs `if __name__ == "__main__":` around what it does, unless it is started with `python -m package`.
    """

    def __init__(self, *, timeout: float, max_workers: int, warm_up: Callable[[], object]) -> None:
        self.timeout = timeout
        self.max_workers = max_workers
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._pool: Any = None
        self._owner = 0

    def run(self, function: Callable[..., Any], calls: Sequence[Iterable[Any]]) -> list[Any]:
        """Return what `function(*arguments)` returns for each of the calls, None where it was killed or died.

        `function` and its arguments must be picklable, and it must not return None. What it raises is raised.
        """
        results: dict[int, Any] = {}
        for _ in range(2):
            left = [(i, call) for i, call in enumerate(calls) if i not in results]
            if not left:
                break
            results |= self._attempt(function, left)
        if len(results) < len(calls):
            raise RunError(
                "rewards: the worker processes that verify answers end as soon as they start, or hang; look for their "
                'error above; a script that trains must do so under `if __name__ == "__main__":`'
            )
        return [results[i] for i in range(len(calls))]

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        self._discard(self._pool)

    def _attempt(self, function: Callable[..., Any], calls: Sequence[tuple[int, Iterable[Any]]]) -> dict[int, Any]:
        """Return the results by index; calls are left out where the pool itself, not a call, has failed."""
        pool = self._running()
        cpu_seconds = self.timeout + _CPU_GRACE
        futures: dict[Future[Any], int] = {}
        with contextlib.suppress(RuntimeError):  # another thread closed it, or this process was forked from its owner
            for i, arguments in calls:
                future = pool.schedule(worker.call, args=(cpu_seconds, function, *arguments), timeout=self.timeout)
                futures[future] = i
        finished = _wait(futures, silence=self.timeout + _START_GRACE)
        results = {futures[future]: value for future in finished for value in _outcome(future)}
        if len(results) < len(calls):
            self._discard(pool)
        return results

    def _running(self) -> Any:
        """Return the pool, newly made if there is none."""
        from pebble import ProcessPool

        with self._lock:
            if self._pool is None:
                self._owner = os.getpid()
                self._pool = ProcessPool(
                    max_workers=self.max_workers,
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


def _wait(futures: Iterable[Future[Any]], *, silence: float) -> list[Future[Any]]:
    """Return the futures that finished; give up on the others when none finishes for `silence` seconds."""
    finished: list[Future[Any]] = []
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=silence, return_when=FIRST_COMPLETED)
        if not done:
            break
        finished += done
    return finished


def _outcome(future: Future[Any]) -> list[Any]:
    """Return the result, None for a call that was killed or died, or nothing if the pool failed it."""
    from concurrent.futures.process import BrokenProcessPool

    from pebble import ProcessExpired

    try:
        return [future.result(timeout=0)]
    except (TimeoutError, ProcessExpired):
        return [None]
    except (BrokenProcessPool, CancelledError):
        return []
