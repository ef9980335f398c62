"""What a step of a recipe asks of the machine, and how much memory that takes on each GPU. Sources: docs/doctor.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.doctor.model import ModelShape
from dra_toolkit.doctor.model_size import ModelSize
from dra_toolkit.embedding import known_embedder
from dra_toolkit.launch.plan import distributed_type
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.accelerate_config import accelerate_values
from dra_toolkit.recipe.inferred import steps_per_generation, vllm_memory
from dra_toolkit.runs.files import json_object

PROMPT_TOKENS = 200
"""Assumed mean length of a prompt, where the data are not at hand."""
MEAN_SHARE = 0.5
"""Assumed mean length of a completion, as a share of the longest."""
LONGEST_UNSET = 2048
"""Assumed longest completion, where the recipe sets no limit."""
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
EMBEDDER_BYTES_PER_TOKEN = 20_000
"""Bytes that an encoder of this kind needs for each padded token of its batch."""
STATELESS = ("sgd", "adafactor", "lomo", "rmsprop")
"""Parts of the names of optimizers without state."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One optimizer step, and the generation that precedes it."""

    recipe: Recipe
    processes: int
    """Training processes in all."""
    rows: int
    """Completions that a process trains on at once."""
    completions_per_step: int
    generated: int
    """Completions sampled at once, by all processes."""
    steps_per_generation: float
    """Optimizer steps that one generation serves, repeats counted."""
    prompt: int
    """Assumed mean tokens of a prompt."""
    longest_prompt: int
    completion: int
    """Tokens of the longest completion."""
    strategy: str
    """How training state is spread: `plain`, `ddp`, `zero1`, `zero2` or `zero3`; `other` is not estimated."""
    weight_bytes: float
    """Bytes of one parameter as it is loaded."""
    compute_bytes: int
    """Bytes of one number in matrix products: 2, or 4 without mixed precision."""
    reference: bool
    """Whether a reference model stands beside the policy."""
    lora_rank: int | None
    sampler: str
    """`transformers`, `colocate` or `server`."""
    old_logps: bool
    """Whether log-probabilities are computed again after sampling."""

    @property
    def mean_completion(self) -> float:
        """Return the assumed mean tokens of a completion."""
        return max(1.0, MEAN_SHARE * self.completion)


def workload(recipe: Recipe, *, stored_bytes: int, prompt: int | None = None) -> Workload:
    """Return what a recipe asks for; `stored_bytes` of its model's parameters count where it loads them as stored."""
    training, objective, model = recipe.training, recipe.objective, recipe.model
    longest_prompt = recipe.data.max_prompt_length
    prompt = prompt or min(PROMPT_TOKENS, longest_prompt or PROMPT_TOKENS)
    rows, accumulation = training.per_device_train_batch_size, training.gradient_accumulation_steps
    micro_steps, processes = steps_per_generation(recipe), recipe.launch.num_processes
    corrected = recipe.vllm.use_vllm and recipe.vllm.vllm_importance_sampling_correction
    return Workload(
        recipe=recipe,
        processes=processes,
        rows=rows,
        completions_per_step=processes * rows * accumulation,
        generated=rows * processes * micro_steps,
        steps_per_generation=objective.num_iterations * micro_steps / accumulation,
        prompt=prompt,
        longest_prompt=longest_prompt or 2 * prompt,
        completion=objective.max_completion_length or LONGEST_UNSET,
        strategy=_strategy(recipe),
        weight_bytes=_weight_bytes(recipe, stored_bytes),
        compute_bytes=4 if training.bf16 is False and not training.fp16 else 2,
        reference=objective.beta != 0 and not model.use_peft,
        lora_rank=model.lora_r if model.use_peft else None,
        sampler=recipe.vllm.vllm_mode if recipe.vllm.use_vllm else "transformers",
        old_logps=bool(corrected or accumulation % (micro_steps * objective.num_iterations) != 0),
    )


def deepspeed_config(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return DeepSpeed's settings as the recipe gives them: its own, or those of its accelerate configuration."""
    if (given := recipe.launch.deepspeed) is not None:
        return given if isinstance(given, Mapping) else json_object(Path(given).expanduser())
    if distributed_type(recipe) != "DEEPSPEED":
        return None
    return accelerate_values(recipe).get("deepspeed_config") or {}


def offloads(settings: Mapping[str, Any]) -> bool:
    """Return whether DeepSpeed's settings keep optimizer states or parameters off the GPUs."""
    zero = settings.get("zero_optimization", settings)
    return any(value not in (None, "none") for key, value in zero.items() if key.startswith("offload_"))


def _strategy(recipe: Recipe) -> str:
    settings = deepspeed_config(recipe)
    if settings is None:
        kinds = {"NO": "plain", "MULTI_GPU": "ddp"}
        return kinds.get(distributed_type(recipe), "other")
    stage = settings.get("zero_optimization", settings).get("stage", settings.get("zero_stage", 2))
    return "other" if offloads(settings) else f"zero{stage}" if stage else "ddp"


def _weight_bytes(recipe: Recipe, stored_bytes: int) -> float:
    if recipe.model.load_in_4bit:
        return 0.55  # half a byte, and the scales of its blocks
    if recipe.model.load_in_8bit:
        return 1.0
    return {"float32": 4, "bfloat16": 2, "float16": 2}.get(recipe.model.dtype or "auto", stored_bytes)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one GPU, by what they are for."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Return the sum, with what fragments cost."""
        return sum(self.parts.values()) * (1 + SLACK)


def training_memory(work: Workload, model: ModelSize, *, gpu_memory: float | None = None) -> Memory | None:
    """Return what each training process needs at its peak; `gpu_memory` is what a colocated vLLM takes its share of.

    None for a strategy that is not estimated.
    """
    if work.strategy == "other":
        return None
    peak = max(_while_training(work, model.shape), _while_sampling(work, model.shape), key=lambda p: sum(p.values()))
    parts = _held(work, model) | peak | _embedder(work) | {"libraries": CONTEXT}
    if work.sampler == "colocate" and gpu_memory:
        parts["vLLM's share"] = vllm_memory(work.recipe) * gpu_memory / (1 + SLACK)
    return Memory(parts={name: size for name, size in parts.items() if size > 0})


def serving_memory(work: Workload, model: ModelSize) -> Memory:
    """Return what vLLM needs at least on each of its GPUs.

    That is its share of the weights, and the KV cache of one group or of one text of the greatest length it may meet:
    vLLM refuses to start with less.
    """
    vllm, group = work.recipe.vllm, work.recipe.objective.num_generations
    parallel = max(1, vllm.vllm_gpus)
    parts = {"weights": model.parameters * 2 / parallel, "libraries": CONTEXT}
    if model.shape:
        longest = vllm.vllm_max_model_length or model.shape.positions
        tokens = max(group * (work.longest_prompt + work.completion), longest)
        parts["KV cache"] = tokens * model.shape.kv_bytes_per_token(2) / parallel
    return Memory(parts=parts)


def trainable_parameters(work: Workload, model: ModelSize) -> float:
    """Return how many parameters are trained: all, or the adapters."""
    if work.lora_rank is None:
        return float(model.parameters)
    shape = model.shape
    if shape is None:
        return 0.02 * model.parameters
    attention = 2 * shape.hidden + shape.query_dim + shape.kv_dim  # queries and values, or keys and output
    everywhere = 2 * attention + 3 * (shape.hidden + shape.intermediate)
    of_attention_alone = set(work.recipe.model.lora_target_modules or ()) <= {"q_proj", "v_proj"}
    return float(work.lora_rank * shape.layers * (attention if of_attention_alone else everywhere))


def state_bytes(optimizer: str, element_bytes: float) -> float:
    """Return the bytes of optimizer state for one trained parameter: two moments for Adam and what is like it."""
    small = {"8bit": 2.0, "4bit": 1.0, "lion": element_bytes, **dict.fromkeys(STATELESS, 0.0)}
    return next((size for part, size in small.items() if part in optimizer), 2 * element_bytes)


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
    return "bf16" if work.weight_bytes <= 2 or work.strategy.startswith("zero") else "mixed"


def _held(work: Workload, model: ModelSize) -> dict[str, float]:
    """Return what stays from step to step: DeepSpeed splits from stage 1 states, from 2 gradients, from 3 parameters."""
    stage = int(work.strategy.removeprefix("zero")) if work.strategy.startswith("zero") else 0
    share = [1.0 / work.processes if stage >= level else 1.0 for level in (1, 2, 3)]
    casts = stage > 0 and work.weight_bytes >= 2  # DeepSpeed casts the model to its own precision
    weight = float(work.compute_bytes) if casts else work.weight_bytes
    trained, trained_bytes = trainable_parameters(work, model), 4.0 if work.lora_rank and not stage else weight
    state = state_bytes(work.recipe.training.optim, 4.0 if stage else trained_bytes) + (4.0 if stage else 0.0)
    return {
        "weights": model.parameters * weight * share[2],
        "gradients": trained * trained_bytes * share[1],
        "optimizer": trained * state * share[0],
        "reference model": model.parameters * weight * share[2] if work.reference else 0.0,
        "communication": _communication(work, model.parameters, stage, trained * trained_bytes),
    }


def _communication(work: Workload, parameters: int, stage: int, gradients: float) -> float:
    """Return copies that exist for exchanging and casting parameters and gradients."""
    bucket = min(parameters, BUCKET_ELEMENTS) * work.compute_bytes
    if stage:
        return bucket + (min(parameters, LIVE_ELEMENTS) * work.compute_bytes if stage == 3 else 0.0)
    casts = parameters * work.compute_bytes if _precision(work) == "mixed" else 0.0
    return casts + (gradients if work.strategy == "ddp" else 0.0)


def _while_training(work: Workload, shape: ModelShape | None) -> dict[str, float]:
    if shape is None:
        return {}
    length, layer = work.longest_prompt + work.completion, activation_bytes(work, shape)
    tokens = work.rows * length
    eager = work.recipe.model.attn_implementation == "eager"
    scores = work.rows * shape.heads * length**2 * (work.compute_bytes + 4.0) if eager else 0.0
    if work.recipe.training.gradient_checkpointing:  # the inputs of all layers, and one layer with its gradients
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
    settings = work.recipe.embedder
    if settings.name == "none" or not known_embedder(settings.name).weights:
        return {}
    return {"embedder": known_embedder(settings.name).weights + settings.batch_tokens * EMBEDDER_BYTES_PER_TOKEN}
