"""Where jobs run: one slot for each GPU or group of GPUs, one on a CPU; each a process that forks a child for every job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import EvaluationError
from dra_toolkit.launch.command import Command, kill
from dra_toolkit.launch.devices import visible_gpus

SCRUBBED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
SCRUBBED_PREFIXES = ("ACCELERATE_", "TORCHELASTIC_", "FSDP_", "DEEPSPEED_")
"""Settings of a surrounding distributed job, which an engine would take for its own."""


@dataclass(kw_only=True)
class Slot:
    """One place for one job at a time."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    process: subprocess.Popen[bytes] | None = None

    def send(self, job: Path, log: Path) -> None:
        """Have the slot's process run a job; it is started if it does not live."""
        if self.process is None or self.process.poll() is not None:
            self.end()
            self.process = _start(self, log)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{job.absolute()}\n".encode())
        self.process.stdin.flush()

    def lives(self) -> bool:
        """Return whether the slot's process still runs."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """End the slot's process and the job in it, at once; every finished answer is on disk."""
        if self.process is None:
            return
        process, self.process = self.process, None
        kill(process)
        if process.stdin is not None:
            process.stdin.close()


def _start(slot: Slot, log: Path) -> subprocess.Popen[bytes]:
    command = Command(purpose="evaluate", argv=(sys.executable, "-P", "-m", "dra_toolkit.evaluation.child"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in SCRUBBED and not name.startswith(SCRUBBED_PREFIXES)
    }
    with open(log, "ab") as output:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**kept, "TOKENIZERS_PARALLELISM": "false", **slot.environment},
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which ends every slot
        )


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
            raise EvaluationError(f"--slots, --tensor-parallel: {wanted} GPUs asked for, {len(gpus)} are visible")
        return [
            Slot(
                name=f"gpu-{'-'.join(group)}",
                environment={"CUDA_VISIBLE_DEVICES": ",".join(group), "DRA_EVALUATION_FORK": "0"},
                device="cuda",
            )
            for group in groups[:count]
        ]
    if tensor_parallel > 1:
        raise EvaluationError(f"--tensor-parallel {tensor_parallel}: no GPU is visible")
    return [Slot(name=f"cpu-{i}", environment=_cpu_threads(count or 1)) for i in range(count or 1)]


def _cpu_threads(slots: int) -> dict[str, str]:
    """Return how many threads a slot may use, so that all of them share the cores."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // slots))}


def end_all(slots: Sequence[Slot]) -> None:
    """End every slot's process."""
    for slot in slots:
        slot.end()
