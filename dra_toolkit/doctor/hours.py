"""How long a step takes: sampling, and training. Sources, assumptions and how far off it may be: docs/doctor.md."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.doctor.accelerators import Device
from dra_toolkit.doctor.model_files import ModelSize
from dra_toolkit.doctor.model_shape import ModelShape
from dra_toolkit.doctor.workload import Workload

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
"""The same for vLLM with CUDA graphs."""
VLLM_EAGER_SECONDS = (2.0e-3, 0.6e-3)
"""The same without."""
VLLM_ROWS = 256
"""Completions that vLLM samples at the same time."""
SYNC_SECONDS, SYNC_BANDWIDTH = 0.5, 5e9
"""What handing the weights to vLLM costs: each time, and bytes/s."""


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step, generation included."""

    sampling: float
    training: float

    @property
    def seconds(self) -> float:
        """Return both together: one waits for the other."""
        return self.sampling + self.training

    @property
    def hours_per_100(self) -> float:
        """Return the hours of 100 steps."""
        return self.seconds * 100 / 3600


def step_time(work: Workload, model: ModelSize, device: Device, *, tf32: bool = False) -> StepTime | None:
    """Return how long a step takes on such devices; None for a model whose shape is not known."""
    if model.shape is None:
        return None
    sampling = _sampling_seconds(work, model.shape, device) / work.steps_per_generation
    return StepTime(sampling=sampling, training=_training_seconds(work, model.shape, device, tf32))


def forward_flops(shape: ModelShape, *, tokens: float, scored: float, length: float) -> float:
    """Return the FLOPs of one forward pass.

    tokens   that pass the layers, padding included
    scored   of these, that pass the head
    length   of a row, for the attention, whose causal half counts

    Two for each parameter and token, and 2 x layers x width x length for the attention (Kaplan et al. 2020, 2.1).
    """
    attention = 2 * shape.layers * shape.query_dim * length
    return tokens * (2 * shape.body_parameters + attention) + scored * 2 * shape.head_parameters


def training_flops(work: Workload, shape: ModelShape) -> float:
    """Return the FLOPs of one optimizer step over all processes."""
    rows, length = work.completions_per_step, work.prompt + work.completion
    scored = rows * work.completion
    body = forward_flops(shape, tokens=rows * length, scored=0, length=length)
    head = 2.0 * scored * shape.head_parameters
    backward = 1 if work.lora_rank else 2  # adapters need no gradients of the weights below them
    flops = (1 + backward + work.checkpointing) * body + 4 * head  # TRL's head is computed again for its gradient
    once = (body + head) * ((1 if work.reference else 0) + (1 if work.old_logps else 0))
    once += body if work.embedder == "policy" else 0.0
    return flops + once / work.repeats


def _training_seconds(work: Workload, shape: ModelShape, device: Device, tf32: bool) -> float:
    speed = device.flops * TRAINING_SHARE
    if device.is_gpu and work.compute_bytes == 4:
        speed *= TF32_SHARE if tf32 else FLOAT32_SHARE
    micro_steps = work.accumulation * (3 + work.checkpointing) * _overhead(TRANSFORMERS_SECONDS, shape)
    return training_flops(work, shape) / (speed * work.processes) + micro_steps


def _sampling_seconds(work: Workload, shape: ModelShape, device: Device) -> float:
    """Return the seconds of one generation: as many tokens, one after the other, as the longest completion has."""
    on_vllm = work.sampler != "transformers"
    parallel = max(1, work.vllm_gpus) if work.sampler == "server" else 1
    rows = work.generated / (1 if work.sampler == "server" else work.processes)
    waves = max(1.0, rows / VLLM_ROWS) if on_vllm else 1.0
    element = 2 if on_vllm else work.compute_bytes
    active = rows / waves * work.mean_completion / work.completion
    context = work.prompt + work.mean_completion / 2
    read = shape.parameters * element + active * context * shape.kv_bytes_per_token(element)
    computed = forward_flops(shape, tokens=active, scored=active, length=2 * context)
    arithmetic = max(read / device.bandwidth, computed / device.flops) / SAMPLING_SHARE / parallel
    own = (VLLM_EAGER_SECONDS if work.vllm_eager else VLLM_SECONDS) if on_vllm else TRANSFORMERS_SECONDS
    prefill = forward_flops(shape, tokens=rows * work.prompt, scored=rows, length=work.prompt) / device.flops
    sync = SYNC_SECONDS + shape.parameters * 2 / SYNC_BANDWIDTH if on_vllm and device.is_gpu else 0.0
    return waves * work.completion * (arithmetic + _overhead(own, shape)) + prefill / SAMPLING_SHARE / parallel + sync


def _overhead(seconds: tuple[float, float], shape: ModelShape) -> float:
    once, per_layer = seconds
    return once + per_layer * shape.layers
