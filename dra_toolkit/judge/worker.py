"""What runs in a worker process around the function that is called there: its limits, its bound on time, and its end.

Kept light, for a worker imports this module before anything else.
"""

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

MEMORY = 4 << 30
"""Bytes that a worker may allocate; more is a MemoryError there, not the kernel's choice of whom to kill."""
KILLED_AFTER = 1.5
"""How many times its bound something may take inside one long operation before the kernel ends the process."""
_PARENT_CHECK = 0.5  # seconds


class OutOfTimeError(BaseException):
    """The processor time is used up; no `except Exception` inside a parser may swallow it."""


def prepare(parent: int, warm_up: Callable[[], object]) -> None:
    """Prepare a worker of the process `parent`: limits, no output, an end with its parent, then the slow imports."""
    # Python would run pebble's handler only after the C call that hangs; the default action ends the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    limit(resource.RLIMIT_DATA, MEMORY)
    limit(resource.RLIMIT_CORE, 0)
    warm_up()
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - math-verify prints what it cannot parse


def call(cpu_seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; None should it use more than `cpu_seconds` of processor time, however slowly a busy machine gives it.

    It is told again each half second. What does not return to the interpreter is ended by the kernel, this process with
    it, a while later.
    """
    limit(resource.RLIMIT_CPU, int(time.process_time() + KILLED_AFTER * cpu_seconds) + 2)
    previous = signal.signal(signal.SIGPROF, out_of_time)
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds, 0.5)
            return function(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, previous)
    except OutOfTimeError:
        return None


def limit(kind: int, wanted: int) -> None:
    """Set a limit of this process, as far as the system lets it."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def out_of_time(number: int, frame: FrameType | None) -> NoReturn:
    """Raise OutOfTimeError, as the handler of an alarm."""
    raise OutOfTimeError


def _end_with(parent: int) -> None:
    while os.getppid() == parent:  # a pipe would not tell: processes forked by the parent keep it open
        time.sleep(_PARENT_CHECK)
    os._exit(1)
