"""Where jobs run: one slot for each GPU or group of GPUs, one on a CPU."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from dra_toolkit.errors import EvaluationError
from dra_toolkit.launch.devices import visible_gpus


@dataclass(kw_only=True)
class Slot:
    """One place for one job at a time."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


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
