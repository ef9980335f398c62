"""How tests wait: for something to happen, never for a time; what never happens is ended by pytest's own limit.

Nothing else under tests/ may read a clock or sleep (test_architecture.py).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

FOR_EVER = "import signal; signal.pause()"
"""Code of a process that does nothing until it is ended."""


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so; fail with what a process said if it ends before."""
    while not condition():
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"it ended with status {process.returncode}: {process.communicate()}")
        time.sleep(0.02)


def wait_until_used(pid: int, seconds: float) -> None:
    """Wait until a process has used so much more processor time, or has ended: a moment in its work on any machine."""

    def used() -> float:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            return float("inf")
        return float(times.user + times.system)

    began = used()
    wait_until(lambda: used() >= began + seconds)


@contextmanager
def processor_time(*, at_most: float) -> Iterator[None]:
    """Fail if the body takes more seconds of this process's processor time, which a busy machine does not stretch."""
    began = time.process_time()
    try:
        yield
    finally:
        used = time.process_time() - began
        assert used <= at_most, f"took {used:.1f} s of processor time, at most {at_most} are allowed"
