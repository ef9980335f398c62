"""Score one answer in this process within bounds on its time and memory."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

CPU_SECONDS, KILLED_AFTER = 8.0, 20
MEMORY = 4 << 30
"""Bytes that scoring one answer may take beyond what the worker has at its start."""


class OutOfTimeError(BaseException):
    """An answer has used its time; no `except Exception` inside a parser may swallow it."""


def score_within_bounds(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Score one answer in the main thread of this process; one that uses up its time or memory is wrong."""
    from dra_toolkit.evaluation.child.metric import Score, score

    how = "scored"
    made = Score(correct=False, repaired=False if metric.get("repaired") else None, answer=None)
    _renew_kernel_limit()
    previous = signal.signal(signal.SIGVTALRM, _out_of_time)
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS, 1.0)
            made = score(metric, row, text)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except OutOfTimeError:
        how = "out of time"
    except MemoryError:
        how = "out of memory"
    except RecursionError:
        how = "nested too deeply"
    except Exception as error:  # whatever a parser makes of hostile text must not end the evaluation
        how = f"metric failed: {type(error).__name__}"
    signal.signal(signal.SIGVTALRM, previous)
    return {**asdict(made), "how": how}


def _out_of_time(number: int, frame: FrameType | None) -> NoReturn:
    raise OutOfTimeError


def _renew_kernel_limit() -> None:
    """Have the kernel kill this process if one answer uses much more than its time inside one long operation."""
    used = time.process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + KILLED_AFTER, hard))


def limit_memory() -> None:
    """Bound the memory of a worker, where the system says how much it has."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
