"""Score one answer in this process within bounds on its time and memory."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dra_toolkit.judge.worker import OutOfTimeError, limit, out_of_time

CPU_SECONDS, KILLED_AFTER = 8.0, 20
JUDGE_SECONDS = 5.0
MEMORY = 4 << 30
"""Bytes that scoring one answer may take beyond what the worker has at its start."""


def score_within_bounds(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Score one answer in the main thread of this process; one that uses up its time or memory is wrong."""
    from dra_toolkit.evaluation.child import alarms
    from dra_toolkit.evaluation.child.metric import Score, judged, score

    before = alarms.out_of_time
    made, how = _bounded(lambda: score(metric, row, text), CPU_SECONDS)
    if how == "scored" and alarms.out_of_time > before:
        how = "out of time inside the metric"
    made = made or Score(correct=False, answer=None)
    verdict, judged_how = _bounded(lambda: judged(metric, row, text), JUDGE_SECONDS)
    if judged_how != "scored":
        verdict, how = False, f"judge: {judged_how}" if how == "scored" else how
    return {**asdict(made), "judged": verdict, "how": how}


def _bounded(function: Callable[[], Any], seconds: float) -> tuple[Any, str]:
    """Return what a function returns, and "scored"; or None, and why it returned nothing."""
    _renew_kernel_limit()
    previous = signal.signal(signal.SIGVTALRM, out_of_time)
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
            return function(), "scored"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, previous)
    except OutOfTimeError:
        return None, "out of time"
    except MemoryError:
        return None, "out of memory"
    except RecursionError:
        return None, "nested too deeply"
    except Exception as error:  # whatever a parser makes of hostile text must not end the evaluation
        return None, f"metric failed: {type(error).__name__}"


def _renew_kernel_limit() -> None:
    """Have the kernel kill this process if one answer uses much more than its time inside one long operation."""
    limit(resource.RLIMIT_CPU, int(time.process_time()) + KILLED_AFTER)


def limit_memory() -> None:
    """Bound the memory of a worker, where the system says how much it has."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY)
