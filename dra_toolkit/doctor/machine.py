"""What this machine has: processor, memory, GPUs. Seen without loading torch here."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dra_toolkit.doctor.accelerators import Device, known_device
from dra_toolkit.doctor.torch_probe import TorchFacts
from dra_toolkit.launch import Gpu

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """A GPU that processes started here will see."""

    name: str
    total: int
    """Bytes of memory."""
    free: int | None = None
    """Bytes that nobody uses; None where torch could not be asked."""
    bf16: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What processes started here find."""

    cores: int
    memory: int
    """Bytes of main memory."""
    memory_free: int
    gpus: tuple[GpuFacts, ...]
    torch: TorchFacts

    def training_device(self, use_cpu: bool) -> Device | None:
        """Return what a training process computes on; None if its speed is not known."""
        torch = self.torch
        if self.gpus and not use_cpu:
            first = self.gpus[0]
            known = known_device(first.name, first.total)
            if known or not (torch.matmul_flops and torch.bandwidth):
                return known
            return Device(name=first.name, flops=torch.matmul_flops, bandwidth=torch.bandwidth, memory=first.total)
        if torch.devices or not (torch.matmul_flops and torch.bandwidth):
            return None  # what was measured is a GPU's speed
        return Device(
            name="this CPU",
            flops=torch.matmul_flops,
            bandwidth=torch.bandwidth,
            memory=self.memory,
            is_gpu=False,
        )


def look_at_machine(gpus: list[Gpu], torch: TorchFacts) -> Machine:
    """Return what this machine has; `gpus` are those that the driver names, `torch` what torch says."""
    total, free = _memory()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=total,
        memory_free=free,
        gpus=tuple(_gpus(gpus, torch)),
        torch=torch,
    )


def _gpus(gpus: list[Gpu], torch: TorchFacts) -> list[GpuFacts]:
    """Return what torch sees, where it sees as many as the driver; the driver's word otherwise."""
    if torch.devices and len(torch.devices) >= len(gpus):
        return [GpuFacts(name=d.name, total=d.total, free=d.free, bf16=d.bf16) for d in torch.devices]
    return [GpuFacts(name=gpu.name, total=gpu.memory_mib * MIB) for gpu in gpus]


def _memory() -> tuple[int, int]:
    """Return the bytes of main memory, and of these the free ones; zeros where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            said = {name: int(value.split()[0]) * 1024 for name, value in (line.split(":") for line in file)}
        return said["MemTotal"], said["MemAvailable"]
    except (OSError, ValueError, KeyError):
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0, 0
    return total, total
