"""How much memory training and vLLM need on each of their GPUs, part by part. Sources and assumptions: docs/doctor.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dra_toolkit.doctor.model_files import ModelSize
from dra_toolkit.doctor.model_shape import ModelShape
from dra_toolkit.doctor.workload import Workload
from dra_toolkit.embedding import known_embedder

GIB = 1 << 30
CONTEXT = 1.0 * GIB
"""Driver context, libraries and communication buffers of a process on a GPU; of Python with its libraries on a CPU."""
SLACK = 0.10
"""Share that the allocator loses to fragments."""
LOGIT_TOKENS, LOGIT_VOCABULARY = 4096, 32768
"""Tile of logits that TRL computes at a time; the whole matrix never exists. A test holds them against TRL."""
BUCKET_ELEMENTS = 500_000_000
"""DeepSpeed's default size of a communication bucket."""
LIVE_ELEMENTS = 1_000_000_000
"""DeepSpeed's default number of parameters gathered at once in ZeRO-3."""
SHARDED = {"plain": 0, "ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp": 3}
"""What is split over the processes: from 1 optimizer states, from 2 gradients, from 3 parameters."""
EMBEDDER_BYTES_PER_TOKEN = 20_000
"""Bytes that an encoder of this kind needs for each padded token of its batch."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one GPU, by what they are for."""

    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Return the sum, with what fragments cost."""
        return sum(self.parts.values()) * (1 + SLACK) if self.parts else 0.0


def training_memory(work: Workload, model: ModelSize, *, gpu_memory: float | None = None) -> Memory:
    """Return what each training process needs at its peak; `gpu_memory` is what a colocated vLLM takes its share of."""
    held = _held(work, _parameters(model), model.shape)
    training, sampling = _while_training(work, model.shape), _while_sampling(work, model.shape)
    peak = training if sum(training.values()) >= sum(sampling.values()) else sampling
    parts = held | peak | _embedder(work) | {"libraries": CONTEXT}
    if work.sampler == "colocate" and gpu_memory:
        parts["vLLM's share"] = work.vllm_share * gpu_memory / (1 + SLACK)
    return Memory(parts={name: size for name, size in parts.items() if size > 0})


def vllm_memory(work: Workload, model: ModelSize) -> Memory:
    """Return what vLLM needs at least on each of its GPUs.

    That is its share of the weights, and the KV cache of one group or of one text of the greatest length it may meet:
    vLLM refuses to start with less.
    """
    parallel = max(1, work.vllm_gpus)
    parts = {"weights": _parameters(model) * 2 / parallel, "libraries": CONTEXT}
    if model.shape:
        tokens = max(work.group * (work.longest_prompt + work.completion), work.vllm_length or model.shape.positions)
        parts["KV cache"] = tokens * model.shape.kv_bytes_per_token(2) / parallel
    return Memory(parts=parts)


def trainable_parameters(work: Workload, model: ModelSize) -> float:
    """Return how many parameters are trained: all, or the adapters."""
    return _trainable(work, _parameters(model), model.shape)


def state_bytes(optimizer: str, element_bytes: float) -> float:
    """Return the bytes of optimizer state for one trained parameter: two moments for Adam and what is like it."""
    if optimizer in ("sgd", "adafactor", "galore_adafactor", "lomo", "adalomo", "rmsprop"):
        return 0.0
    if "8bit" in optimizer:
        return 2.0
    if "4bit" in optimizer:
        return 1.0
    return element_bytes if "lion" in optimizer else 2 * element_bytes


def activation_bytes(work: Workload, shape: ModelShape) -> float:
    """Return the bytes kept for the backward pass for one token in one layer, without checkpointing.

    Counted over transformers' own layers by what autograd saves; a test counts again.
    """
    element = work.compute_bytes
    residual = {"fp32": 32, "bf16": 20, "mixed": 30}[_precision(work)]
    rest = 4 * element * shape.intermediate + 2 * element * shape.kv_dim
    return (residual - 2 * element) * shape.hidden + 2 * element * shape.query_dim + rest


def checkpoint_bytes(work: Workload, shape: ModelShape) -> float:
    """Return the bytes kept for one token in one layer with checkpointing: the layer's input."""
    return shape.hidden * (2 if _precision(work) == "bf16" else 4)


def _precision(work: Workload) -> str:
    """Return `fp32`, `bf16` (weights too) or `mixed`: weights in float32, products in bfloat16."""
    if work.compute_bytes == 4:
        return "fp32"
    half = work.weight_bytes <= 2 or work.strategy.startswith("zero")
    return "bf16" if half and work.strategy != "fsdp" else "mixed"


def _parameters(model: ModelSize) -> float:
    return float(model.parameters or 0)


def _trainable(work: Workload, parameters: float, shape: ModelShape | None) -> float:
    if work.lora_rank is None:
        return parameters
    if shape is None:
        return 0.02 * parameters
    ends = 2 * shape.hidden + shape.query_dim + shape.kv_dim  # queries and values
    if work.lora_everywhere:
        ends += 2 * shape.hidden + shape.query_dim + shape.kv_dim + 3 * (shape.hidden + shape.intermediate)
    return float(work.lora_rank * shape.layers * ends)


def _held(work: Workload, parameters: float, shape: ModelShape | None) -> dict[str, float]:
    """Return what stays from step to step."""
    share = [1.0 / work.processes if SHARDED[work.strategy] >= level else 1.0 for level in (1, 2, 3)]
    deepspeed = work.strategy.startswith("zero")
    weight = _weight_bytes(work)
    trained, trained_bytes = _trainable(work, parameters, shape), 4.0 if work.lora_rank and not deepspeed else weight
    state = state_bytes(work.optimizer, 4.0 if deepspeed else trained_bytes) + (4.0 if deepspeed else 0.0)
    parts = {
        "weights": 0.0 if work.offload_parameters else parameters * weight * share[2],
        "gradients": trained * trained_bytes * share[1],
        "optimizer": 0.0 if work.offload_optimizer else trained * state * share[0],
        "reference model": parameters * weight * share[2] if work.reference else 0.0,
    }
    return parts | {"communication": _communication(work, parameters, trained * trained_bytes, shape)}


def _weight_bytes(work: Workload) -> float:
    if work.strategy.startswith("zero") and work.weight_bytes >= 2:
        return float(work.compute_bytes)  # DeepSpeed casts the model to its own precision
    if work.strategy == "fsdp" and work.compute_bytes == 2 and work.weight_bytes >= 2:
        return 4.0  # accelerate keeps the shards of mixed precision in float32
    return work.weight_bytes


def _communication(work: Workload, parameters: float, gradients: float, shape: ModelShape | None) -> float:
    """Return copies that exist for exchanging and casting parameters and gradients."""
    element = work.compute_bytes
    if work.strategy == "zero3":
        return (min(parameters, LIVE_ELEMENTS) + min(parameters, BUCKET_ELEMENTS)) * element
    if work.strategy.startswith("zero"):
        return min(parameters, BUCKET_ELEMENTS) * element
    if work.strategy == "fsdp":
        whole = (
            2 * shape.layer_parameters + shape.head_parameters * (1 if shape.tied else 2) if shape else parameters / 8
        )
        return whole * element
    casts = parameters * element if _precision(work) == "mixed" else 0.0
    return casts + (gradients if work.strategy == "ddp" else 0.0)


def _while_training(work: Workload, shape: ModelShape | None) -> dict[str, float]:
    if shape is None:
        return {}
    tokens, layer = work.tokens_at_once, activation_bytes(work, shape)
    scores = 0.0
    if work.eager_attention:
        length = work.longest_prompt + work.completion
        scores = work.rows * shape.heads * length**2 * (work.compute_bytes + 4.0)
    if work.checkpointing:  # the inputs of all layers, and one layer at a time with its gradients
        kept = tokens * (shape.layers * checkpoint_bytes(work, shape) + 2 * layer) + 2 * scores
    else:
        kept = shape.layers * (tokens * layer + scores)
    tile = min(work.rows * work.completion, LOGIT_TOKENS) * min(shape.vocabulary, LOGIT_VOCABULARY)
    head = 0.0 if work.lora_rank else 4.0 * shape.head_parameters  # its gradient is summed in float32
    return {"activations": kept, "logits": tile * (work.compute_bytes + 4.0) + head}


def _while_sampling(work: Workload, shape: ModelShape | None) -> dict[str, float]:
    """Return what TRL's own sampling needs on a training process, which samples its share of the batch at once."""
    if shape is None or work.sampler != "transformers":
        return {}
    rows = work.generated / work.processes
    cache = rows * (work.longest_prompt + work.completion) * shape.kv_bytes_per_token(work.compute_bytes)
    return {"KV cache": cache, "logits": 3 * 4.0 * rows * shape.vocabulary}


def _embedder(work: Workload) -> dict[str, float]:
    if work.embedder == "none" or not known_embedder(work.embedder).is_model:
        return {}
    return {"embedder": known_embedder(work.embedder).weights + work.embedder_tokens * EMBEDDER_BYTES_PER_TOKEN}
