"""What this machine has: processor, memory, GPUs. Seen without loading torch here: a child process is asked."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from dra_toolkit.launch import Gpu

PROBE = (sys.executable, "-P", "-m", "dra_toolkit.training.probe")  # -P: nothing of the working folder runs
PROBE_SECONDS = 120.0
"""How long torch may take; the first import from a cold disk takes most of a minute."""


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """A GPU that processes started here will see."""

    name: str
    total: int
    """Bytes of memory."""
    free: int | None = None
    """Bytes that nobody uses; None where torch could not be asked."""
    bf16: bool | None = None
    """Whether it computes in bfloat16 by itself."""


@dataclass(frozen=True, kw_only=True)
class TorchFacts:
    """What torch says of itself and of this machine; `problem` alone where it cannot."""

    problem: str = ""
    version: str = ""
    build: str = ""
    """`CPU`, `CUDA 12.8`, `ROCm 6.4`."""
    devices: tuple[GpuFacts, ...] = ()
    device_problem: str = ""
    """Why the GPUs that its build is for cannot be used, in torch's words."""
    matmul_flops: float | None = None
    """Measured FLOP/s of a long matrix product on the first device, in the best precision of the two."""
    bandwidth: float | None = None
    """Measured bytes/s of a copy there, read and written."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """What one process computes on."""

    name: str
    flops: float
    """FLOP/s of a long matrix product: in bfloat16 on a GPU, in float32 on a CPU."""
    bandwidth: float
    """Bytes/s of its memory."""
    is_gpu: bool = True


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What processes started here find."""

    cores: int
    memory: int
    """Bytes of main memory; 0 where that is not known."""
    memory_free: int
    gpus: tuple[GpuFacts, ...]
    torch: TorchFacts

    def training_device(self, use_cpu: bool) -> Device | None:
        """Return what a training process computes on; None if its speed was not measured."""
        torch, on_gpu = self.torch, bool(self.gpus) and not use_cpu
        if not (torch.matmul_flops and torch.bandwidth) or on_gpu != bool(torch.devices):
            return None
        name = self.gpus[0].name if on_gpu else "this CPU"
        return Device(name=name, flops=torch.matmul_flops, bandwidth=torch.bandwidth, is_gpu=on_gpu)


def ask_torch() -> TorchFacts:
    """Return what torch says of this machine, asked of a child process."""
    try:
        ran = subprocess.run(PROBE, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return TorchFacts(problem=f"it did not answer within {PROBE_SECONDS:g} s")
    try:
        said: dict[str, Any] = json.loads(ran.stdout)
        devices = tuple(GpuFacts(**device) for device in said.pop("devices", ()))
        return TorchFacts(devices=devices, **said)
    except (ValueError, KeyError, TypeError):
        last = (ran.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        return TorchFacts(problem=f"importing it ended with status {ran.returncode}: {last[:200]}")


def look_at_machine(gpus: list[Gpu], torch: TorchFacts) -> Machine:
    """Return what this machine has; `gpus` are those that the driver names, `torch` what torch says.

    Torch's word counts where it sees as many GPUs as the driver.
    """
    total, free = _memory()
    named = tuple(GpuFacts(name=gpu.name, total=gpu.memory_mib << 20) for gpu in gpus)
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=total,
        memory_free=free,
        gpus=torch.devices if len(torch.devices) >= len(named) else named,
        torch=torch,
    )


def _memory() -> tuple[int, int]:
    """Return the bytes of main memory, and of these the free ones."""
    try:
        from psutil import virtual_memory
    except ImportError:  # it comes with the packages of training
        return 0, 0
    said = virtual_memory()
    return said.total, said.available
