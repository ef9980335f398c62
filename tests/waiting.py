"""How tests wait: for something to happen, never for a time; what never happens is ended by pytest's own limit.

Nothing else under tests/ may read a clock or sleep (test_architecture.py).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
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


def has_ended(process: psutil.Process | int) -> bool:
    """Tell whether a process, or that of an id, has ended; nobody may have waited for it yet."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return bool(found.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_ended(processes: Iterable[psutil.Process | int]) -> None:
    """Wait until processes have ended, whoever started them."""
    wait_until(lambda: all(map(has_ended, processes)))


def kill_family(process: subprocess.Popen[str]) -> None:
    """SIGKILL a process and everything that it has started, as a crash of the machine would.

    Each is stopped before it is asked for its children: what it started in between would live on. One that ends by itself
    meanwhile is as dead as the others.
    """
    family, found = [], [psutil.Process(process.pid)] if process.poll() is None else []
    while found:
        member = found.pop()
        with suppress(psutil.NoSuchProcess):
            member.suspend()
            found += member.children()
            family.append(member)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.communicate()
    wait_until_ended(family)  # until then they hold what they have locked


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
