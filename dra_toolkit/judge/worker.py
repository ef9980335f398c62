"""What runs in a worker process around the function that is called there: its limits, and its end.

Kept light, for a worker imports this module before anything else.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

MEMORY = 4 << 30
"""Bytes that a worker may allocate; more is a MemoryError there, not the kernel's choice of whom to kill."""

_PARENT_CHECK = 0.5  # seconds


def prepare(parent: int, warm_up: Callable[[], object]) -> None:
    """Prepare a worker of the process `parent`: limits, no output, an end with its parent, then the slow imports."""
    # Python would run pebble's handler only after the C call that hangs; the default action ends the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if sys.platform != "win32":
        _limit_resources()
    warm_up()
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - math-verify prints what it cannot parse


def call(cpu_seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; None should it use more than `cpu_seconds` of processor time.

    What does not return to the interpreter is ended by the kernel, this process with it, a while later.
    """
    if sys.platform == "win32":
        return function(*arguments)
    from dra_toolkit.judge.bounds import OutOfTimeError, processor_time

    try:
        with processor_time(cpu_seconds):
            return function(*arguments)
    except OutOfTimeError:
        return None


def _end_with(parent: int) -> None:
    while os.getppid() == parent:  # a pipe would not tell: processes forked by the parent keep it open
        time.sleep(_PARENT_CHECK)
    os._exit(1)


def _limit_resources() -> None:
    import resource

    for kind, wanted in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
