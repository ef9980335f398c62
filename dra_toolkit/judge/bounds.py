"""A bound on the processor time of what runs in the main thread: a busy machine gives it slowly, but gives as much."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

KILLED_AFTER = 1.5
"""How many times its bound something may take inside one long operation before the kernel ends the process."""


class OutOfTimeError(BaseException):
    """The processor time is used up; no `except Exception` inside a parser may swallow it."""


@contextlib.contextmanager
def processor_time(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in this block, and again each half second, once it has used `seconds` of processor time."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    kernel = int(time.process_time() + KILLED_AFTER * seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (kernel if hard == resource.RLIM_INFINITY else min(kernel, hard), hard))
    previous = signal.signal(signal.SIGPROF, _out_of_time)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds, 0.5)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _out_of_time(number: int, frame: FrameType | None) -> NoReturn:
    raise OutOfTimeError
