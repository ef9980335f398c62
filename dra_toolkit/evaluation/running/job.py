"""A job in a process of its own: started in a slot, listened to, ended with all that it started."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child import process
from dra_toolkit.evaluation.running.gpu_slots import Slot


def process_context(kind: str) -> Any:
    """Return multiprocessing's context of a kind, whose processes do not run a json.py that lies in the working folder."""
    os.environ["PYTHONSAFEPATH"] = "1"
    return multiprocessing.get_context(kind)


class Started:
    """A job that was started, and what it tells."""

    problems: tuple[str, ...] = ()
    """What the user can mend, as it told."""

    def __init__(self, job: Mapping[str, Any], slot: Slot, log: Path) -> None:
        self.slot, self.log = slot, log
        context = process_context("forkserver" if slot.device == "cpu" else "spawn")
        if slot.device == "cpu":
            context.set_forkserver_preload(["dra_toolkit.evaluation.child.preload"])
        self._pipe, there = context.Pipe()
        self._process: BaseProcess = context.Process(target=process.run, args=(job, there, log, slot.environment))
        self._process.start()
        self.sentinel = self._process.sentinel
        there.close()

    def events(self) -> list[dict[str, Any]]:
        """Return what it has told since the last time."""
        told = []
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                told.append(self._pipe.recv())
        return told

    def status(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._process.exitcode

    def output(self, size: int = 20_000) -> list[str]:
        """Return the last lines of its output, without empty ones."""
        with suppress(OSError):
            lines = self.log.read_bytes()[-size:].decode("utf-8", "replace").splitlines()
            return [line.strip() for line in lines if line.strip()]
        return []

    def end(self) -> list[dict[str, Any]]:
        """End it and everything that it has started, at once; return what it told last."""
        with suppress(ProcessLookupError, PermissionError, TypeError):
            os.killpg(self._process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        self._process.kill()
        self._process.join()
        told = self.events()
        self._pipe.close()
        return told
