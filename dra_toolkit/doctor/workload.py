"""What one step of a recipe asks of the machine: how many rows and tokens, in which precision, spread over what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dra_toolkit.launch.plan import distributed_type
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.accelerate_config import accelerate_values
from dra_toolkit.recipe.derived import steps_per_generation, vllm_memory

PROMPT_TOKENS = 200
"""Assumed mean length of a prompt, where the data are not at hand."""
MEAN_SHARE = 0.5
"""Assumed mean length of a completion, as a share of the longest."""
LONGEST_UNSET = 2048
"""Assumed longest completion, where the recipe sets no limit."""


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
    lora_everywhere: bool
    """Whether all linear layers get adapters, not the queries and values alone."""
    sampler: str
    """`transformers`, `colocate` or `server`."""
    vllm_share: float
    """Share of a GPU's memory that vLLM takes."""
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
        lora_everywhere=not set(model.lora_target_modules or ()) <= {"q_proj", "v_proj"},
        sampler=recipe.vllm.vllm_mode if recipe.vllm.use_vllm else "transformers",
        vllm_share=vllm_memory(recipe),
        old_logps=bool(corrected or accumulation % (micro_steps * objective.num_iterations) != 0),
    )


def deepspeed_config(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return DeepSpeed's settings as the recipe gives them: its own, or those of its accelerate configuration."""
    from dra_toolkit.doctor.model import read_json

    given = recipe.launch.deepspeed
    if given is not None:
        from pathlib import Path

        return given if isinstance(given, Mapping) else read_json(Path(given).expanduser())
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
