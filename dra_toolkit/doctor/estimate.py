"""The estimate of a recipe on a machine: memory, seconds of a step, disk. Sources, assumptions, errors: docs/doctor.md."""

from dataclasses import dataclass
from typing import Any

from dra_toolkit.doctor.machine import Device
from dra_toolkit.doctor.memory import (
    Memory,
    Workload,
    serving_memory,
    state_bytes,
    trainable_parameters,
    training_memory,
)
from dra_toolkit.doctor.model import ModelShape
from dra_toolkit.doctor.model_size import ModelSize

FACTOR = 3
"""How far off the estimate may be, up or down."""
TRAINING_SHARE = 0.2
"""Share of a long matrix product's speed that training reaches: small batches, padding, waiting for one another."""
SAMPLING_SHARE = 0.7
"""Share of the memory's bandwidth, and of a long matrix product's speed, that sampling reaches."""
FLOAT32_SHARE, TF32_SHARE = 1 / 16, 1 / 2
"""Speed of a GPU's float32 and TF32 products next to bfloat16."""
TRANSFORMERS_SECONDS = (1.5e-3, 1.0e-3)
"""What transformers spends on a token beside the arithmetic: once, and for each layer."""
VLLM_SECONDS = (2.0e-3, 0.2e-3)
"""The same for vLLM."""
VLLM_ROWS = 256
"""Completions that vLLM samples at the same time."""


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step, generation included: sampling, then training."""

    sampling: float
    training: float

    @property
    def seconds(self) -> float:
        """Return both together: one waits for the other."""
        return self.sampling + self.training


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a recipe is expected to need."""

    work: Workload
    model: ModelSize
    device: Device | None
    training: Memory | None
    """On each training process; None for a strategy that is not estimated."""
    vllm: Memory | None
    """On each GPU of vLLM, or in its share of the training GPUs; None if the recipe does without."""
    time: StepTime | None
    """None where the model's shape or the device's speed is not known."""

    def plain(self) -> dict[str, Any]:
        """Return the estimate as plain values: bytes and seconds."""
        memory = {"training": self.training, "vllm": self.vllm}
        return {
            "parameters": self.model.parameters,
            "device": self.device.name if self.device else None,
            **{f"{name}_bytes": round(of.total) if of else None for name, of in memory.items()},
            **{f"{name}_parts": dict(of.parts) if of else None for name, of in memory.items()},
            "seconds_per_step": self.time.seconds if self.time else None,
            "seconds_of_sampling": self.time.sampling if self.time else None,
            "seconds_of_training": self.time.training if self.time else None,
            "hours_per_100_steps": self.time.seconds / 36 if self.time else None,
            "within_a_factor_of": FACTOR,
            "assumed": {"prompt_tokens": self.work.prompt, "completion_tokens": round(self.work.mean_completion)},
        }

    @property
    def checkpoint_bytes(self) -> float:
        """Return the bytes of one checkpoint: the trained weights, and the optimizer's state unless it is left out."""
        work, trained = self.work, trainable_parameters(self.work, self.model)
        deepspeed = work.strategy.startswith("zero")
        weight = work.compute_bytes if deepspeed else max(2.0, work.weight_bytes)
        if work.recipe.output.save_only_model:
            return trained * weight
        state = state_bytes(work.recipe.training.optim, 4.0 if deepspeed else weight) + (4.0 if deepspeed else 0.0)
        return trained * (weight + state + (weight if deepspeed else 0.0))  # DeepSpeed keeps the weights once more


def estimate(
    work: Workload, model: ModelSize, device: Device | None, *, gpu_memory: int | None = None
) -> Estimate | None:
    """Return what is to be expected; None for a model of which nothing is known.

    gpu_memory is the memory of a training GPU, of which a colocated vLLM takes its share.
    """
    if not model.parameters:
        return None
    time = None
    if device and model.shape:
        sampling = _sampling_seconds(work, model.shape, device) / work.steps_per_generation
        time = StepTime(sampling=sampling, training=_training_seconds(work, model.shape, device))
    return Estimate(
        work=work,
        model=model,
        device=device,
        training=training_memory(work, model, gpu_memory=gpu_memory),
        vllm=serving_memory(work, model) if work.sampler != "transformers" else None,
        time=time,
    )


def forward_flops(shape: ModelShape, *, tokens: float, scored: float, length: float) -> float:
    """Return the FLOPs of one forward pass.

    tokens   that pass the layers, padding included
    scored   of these, that pass the head
    length   of a row, for the attention, whose causal half counts

    Two for each parameter and token, and 2 x layers x width x length for the attention (Kaplan et al. 2020, 2.1).
    """
    attention = 2 * shape.layers * shape.query_dim * length
    return tokens * (2 * shape.body_parameters + attention) + scored * 2 * shape.head_parameters


def _training_flops(work: Workload, shape: ModelShape) -> float:
    rows, length = work.completions_per_step, work.prompt + work.completion
    scored = rows * work.completion
    body = forward_flops(shape, tokens=rows * length, scored=0, length=length)
    head = 2.0 * scored * shape.head_parameters
    backward = 1 if work.lora_rank else 2  # adapters need no gradients of the weights below them
    passes = 1 + backward + work.recipe.training.gradient_checkpointing
    flops = passes * body + 4 * head  # TRL's head is computed again for its gradient
    once = (body + head) * ((1 if work.reference else 0) + (1 if work.old_logps else 0))
    once += body if work.recipe.embedder.name == "policy" else 0.0
    return flops + once / work.recipe.objective.num_iterations


def _training_seconds(work: Workload, shape: ModelShape, device: Device) -> float:
    training = work.recipe.training
    speed = device.flops * TRAINING_SHARE
    if device.is_gpu and work.compute_bytes == 4:
        speed *= TF32_SHARE if training.tf32 else FLOAT32_SHARE
    passes = training.gradient_accumulation_steps * (3 + training.gradient_checkpointing)
    return _training_flops(work, shape) / (speed * work.processes) + passes * _overhead(TRANSFORMERS_SECONDS, shape)


def _sampling_seconds(work: Workload, shape: ModelShape, device: Device) -> float:
    """Return the seconds of one generation: as many tokens, one after the other, as the longest completion has."""
    on_vllm = work.sampler != "transformers"
    parallel = max(1, work.recipe.vllm.vllm_gpus) if work.sampler == "server" else 1
    rows = work.generated / (1 if work.sampler == "server" else work.processes)
    waves = max(1.0, rows / VLLM_ROWS) if on_vllm else 1.0
    element = 2 if on_vllm else work.compute_bytes
    active = rows / waves * work.mean_completion / work.completion
    context = work.prompt + work.mean_completion / 2
    read = shape.parameters * element + active * context * shape.kv_bytes_per_token(element)
    computed = forward_flops(shape, tokens=active, scored=active, length=2 * context)
    arithmetic = max(read / device.bandwidth, computed / device.flops) / SAMPLING_SHARE / parallel
    own = _overhead(VLLM_SECONDS if on_vllm else TRANSFORMERS_SECONDS, shape)
    return waves * work.completion * (arithmetic + own)


def _overhead(seconds: tuple[float, float], shape: ModelShape) -> float:
    once, per_layer = seconds
    return once + per_layer * shape.layers
