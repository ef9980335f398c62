"""Judge many pairs in worker processes with bounds on their processor time, the same on an idle and a busy machine."""

import functools
import importlib.util
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from dra_toolkit.errors import RecipeError, RunError
from dra_toolkit.judge import Judgement, Verdict, worker
from dra_toolkit.judge.completions import final_answer
from dra_toolkit.judge.judging import judge, judge_answer, read_gold

CPU_SECONDS = 5.0
"""Processor time that one pair may take; one that takes more is tried once more, with nothing beside it."""
GOLD_CHARACTERS = 20_000
"""How much of the end of a gold is read."""
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


class JudgeService(BoundedPool):
    """Judges completions against golds; safe to use from any thread.

    `workers` processes, by default one per processor and at most 4, and a warm spare, start with the first pair and end
    with this process.
    """

    def __init__(self, *, cpu_seconds: float = CPU_SECONDS, workers: int | None = None) -> None:
        super().__init__(cpu_seconds=cpu_seconds, workers=workers or min(4, os.cpu_count() or 1), warm_up=warm_up)

    def judge(
        self, *, golds: Sequence[str | None], completions: Sequence[str], boxes_in_thinking: bool = False
    ) -> list[Judgement]:
        """Judge N completions against N golds, as `judging.judge` does; equal pairs are judged once."""
        if isinstance(golds, str) or isinstance(completions, str):
            raise TypeError("golds and completions are sequences with one text for each pair")
        answers = [final_answer(text, boxes_in_thinking=boxes_in_thinking) for text in completions]
        pairs = [(_end(gold), answer) for gold, answer in zip(golds, answers, strict=True)]
        judged = self.bounded(judge_answer, [pair for pair in dict.fromkeys(pairs) if pair[0].strip()])
        unread = Judgement(Verdict.unreadable_gold, None, None)
        return [judged.get(pair, unread) or Judgement(Verdict.timed_out, None, pair[1]) for pair in pairs]

    def read_golds(self, golds: Sequence[str | None]) -> list[str | None]:
        """Return what was read from each of N golds as its answer; None where nothing could be."""
        texts = [_end(gold) for gold in golds]
        chunks = [tuple(texts[i : i + 200]) for i in range(0, len(texts), 200)]
        read = self.bounded(stated_golds, [(chunk,) for chunk in chunks])
        lost = [((gold,),) for chunk in chunks if read[(chunk,)] is None for gold in chunk]
        alone = self.bounded(stated_golds, lost) if lost else {}
        of_chunks = [read[(chunk,)] or [(alone[((gold,),)] or [None])[0] for gold in chunk] for chunk in chunks]
        return [one for chunk in of_chunks for one in chunk]

    def bounded(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
        """Return what a function returns by its arguments; None where it ran out of time twice or ended its process."""
        results = dict(zip(calls, self.run(function, calls), strict=True))
        for call, result in results.items():
            if result is None:
                results[call] = self.run(function, [call])[0]
        return results


@functools.cache
def shared_judge() -> JudgeService:
    """Return the service that all of this process share, so that there is one set of workers."""
    missing = [name for name in ("math_verify", "pebble") if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"reward_funcs: judging answers needs the package {missing[0].replace('_', '-')}, which is not installed; "
            "install dra-toolkit[train]"
        )
    return JudgeService()


def stated_golds(golds: Sequence[str]) -> list[str | None]:
    """Return what is read from golds as their answers."""
    return [stated if value is not None else None for stated, value in map(read_gold, golds)]


def warm_up() -> None:
    """Have a worker import what it needs before the first pair, so that no pair pays for it out of its own time."""
    import math_verify  # noqa: F401

    judge("1", r"\boxed{\sqrt{1}}")


def _end(text: str | None) -> str:
    return "" if text is None else str(text)[-GOLD_CHARACTERS:]
