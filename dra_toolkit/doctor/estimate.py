"""The estimate of a recipe on a machine: memory on each kind of GPU, and hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dra_toolkit.doctor.accelerators import Device
from dra_toolkit.doctor.hours import FACTOR, StepTime, step_time
from dra_toolkit.doctor.memory import Memory, training_memory, vllm_memory
from dra_toolkit.doctor.model_files import ModelSize
from dra_toolkit.doctor.workload import MEAN_SHARE, Workload


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a recipe is expected to need."""

    work: Workload
    model: ModelSize
    device: Device | None
    training: Memory
    """On each training process."""
    vllm: Memory | None
    """On each GPU of vLLM, or in its share of the training GPUs; None if the recipe does without."""
    time: StepTime | None
    """None where the model's shape or the device's speed is not known."""

    def plain(self) -> dict[str, Any]:
        """Return the estimate as plain values."""
        return {
            "parameters": self.model.parameters,
            "device": self.device.name if self.device else None,
            "training_bytes": round(self.training.total),
            "training_parts": {name: round(size) for name, size in self.training.parts.items()},
            "vllm_bytes": round(self.vllm.total) if self.vllm else None,
            "vllm_parts": {name: round(size) for name, size in self.vllm.parts.items()} if self.vllm else None,
            "seconds_per_step": self.time.seconds if self.time else None,
            "seconds_of_sampling": self.time.sampling if self.time else None,
            "seconds_of_training": self.time.training if self.time else None,
            "hours_per_100_steps": self.time.hours_per_100 if self.time else None,
            "within_a_factor_of": FACTOR,
            "assumed": {
                "prompt_tokens": self.work.prompt,
                "longest_prompt_tokens": self.work.longest_prompt,
                "mean_completion_tokens": round(self.work.mean_completion),
                "mean_completion_share": MEAN_SHARE,
            },
        }


def estimate(
    work: Workload, model: ModelSize, device: Device | None, *, gpu_memory: int | None = None, tf32: bool = False
) -> Estimate | None:
    """Return what is to be expected; None for a model of which nothing is known.

    gpu_memory is the memory of a training GPU, of which a colocated vLLM takes its share.
    """
    if not model.parameters:
        return None
    return Estimate(
        work=work,
        model=model,
        device=device,
        training=training_memory(work, model, gpu_memory=gpu_memory),
        vllm=vllm_memory(work, model) if work.sampler != "transformers" else None,
        time=step_time(work, model, device, tf32=tf32) if device else None,
    )
