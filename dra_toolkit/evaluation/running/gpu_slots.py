"""Where jobs run: one slot for each GPU or group of GPUs, one on a CPU; each job is a process of its own."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.child import process
from dra_toolkit.launch.devices import visible_gpus


@dataclass(kw_only=True)
class Slot:
    """One place for one job at a time."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


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


def make_slots(count: int | None, *, tensor_parallel: int) -> list[Slot]:
    """Return the slots of this machine: a group of `tensor_parallel` GPUs each, or one on a CPU.

    count: how many; None for all GPUs. On a CPU more than one are there to try the schedule: they share its cores.
    """
    if count is not None and count < 1:
        raise EvaluationError(f"--slots: found {count}, expected 1 or more")
    gpus = [gpu.index for gpu in visible_gpus()]
    if gpus:
        groups = [gpus[i : i + tensor_parallel] for i in range(0, len(gpus) - tensor_parallel + 1, tensor_parallel)]
        if not groups or (count or 1) > len(groups):
            wanted = f"{count or 1} x {tensor_parallel}"
            raise EvaluationError(f"--slots, --tensor-parallel: {wanted} GPUs asked for, {len(gpus)} visible")
        return [
            Slot(name=f"gpu-{'-'.join(group)}", environment={"CUDA_VISIBLE_DEVICES": ",".join(group)}, device="cuda")
            for group in groups[:count]
        ]
    if tensor_parallel > 1:
        raise EvaluationError(f"--tensor-parallel {tensor_parallel}: no GPU is visible")
    threads = str(max(1, len(os.sched_getaffinity(0)) // (count or 1)))
    environment = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": threads}
    return [Slot(name=f"cpu-{i}", environment=environment) for i in range(count or 1)]
