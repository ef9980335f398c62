"""What one step of a recipe asks of the machine: how many rows and tokens, in which precision, spread over what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.launch.accelerate import distributed_type
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.accelerate_config import accelerate_values
from dra_toolkit.recipe.derived import steps_per_generation, vllm_memory

PROMPT_TOKENS = 200
"""Assumed mean length of a prompt, where the data are not at hand."""
TEMPLATE_TOKENS = 8
CHARACTERS_PER_TOKEN = 4
LOOKED_AT = 50
MEAN_SHARE = 0.5
"""Assumed mean length of a completion, as a share of the longest."""
LONGEST_UNSET = 2048
"""Assumed longest completion, where the recipe sets no limit."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One optimizer step, and the generation that precedes it."""

    processes: int
    """Training processes in all."""
    rows: int
    """Completions that a process trains on at once."""
    accumulation: int
    """Micro-steps in one optimizer step."""
    group: int
    """Completions of one prompt."""
    generated: int
    """Completions sampled at once, by all processes."""
    steps_per_generation: float
    """Optimizer steps that one generation serves, repeats counted."""
    repeats: int
    """How often each sampled completion is trained on."""
    prompt: int
    """Assumed mean tokens of a prompt."""
    longest_prompt: int
    completion: int
    """Tokens of the longest completion."""
    strategy: str
    """How training state is spread: `plain`, `ddp`, `zero1`, `zero2`, `zero3` or `fsdp`."""
    offload_optimizer: bool = False
    offload_parameters: bool = False
    weight_bytes: float
    """Bytes of one parameter as it is loaded."""
    compute_bytes: int
    """Bytes of one number in matrix products: 2, or 4 without mixed precision."""
    optimizer: str
    checkpointing: bool
    eager_attention: bool
    reference: bool
    """Whether a reference model stands beside the policy."""
    lora_rank: int | None = None
    lora_everywhere: bool = False
    """Whether all linear layers get adapters, not the queries and values alone."""
    embedder: str
    embedder_tokens: int
    sampler: str
    """`transformers`, `colocate` or `server`."""
    vllm_gpus: int = 0
    vllm_share: float = 0.0
    """Share of a GPU's memory that vLLM takes."""
    vllm_length: int | None = None
    """Longest text that vLLM is to allow for; None for the model's own length."""
    vllm_eager: bool = False
    old_logps: bool = False
    """Whether log-probabilities are computed again after sampling."""

    @property
    def completions_per_step(self) -> int:
        """Return the completions of one optimizer step."""
        return self.processes * self.rows * self.accumulation

    @property
    def mean_completion(self) -> float:
        """Return the assumed mean tokens of a completion."""
        return max(1.0, MEAN_SHARE * self.completion)

    @property
    def tokens_at_once(self) -> int:
        """Return the padded tokens of one micro-step on one process, at most."""
        return self.rows * (self.longest_prompt + self.completion)


def workload(recipe: Recipe, *, stored_bytes: int, prompt: int | None = None) -> Workload:
    """Return what a recipe asks for; `stored_bytes` of its model's parameters count where it loads them as stored."""
    longest_prompt = recipe.data.max_prompt_length
    prompt = prompt or min(PROMPT_TOKENS, longest_prompt or PROMPT_TOKENS)
    training, processes = recipe.training, recipe.launch.num_processes
    rows, accumulation = training.per_device_train_batch_size, training.gradient_accumulation_steps
    micro_steps = steps_per_generation(recipe)
    strategy, offload_optimizer, offload_parameters = _strategy(recipe)
    modules = recipe.model.lora_target_modules or ()
    return Workload(
        processes=processes,
        rows=rows,
        accumulation=accumulation,
        group=recipe.objective.num_generations,
        generated=rows * processes * micro_steps,
        steps_per_generation=recipe.objective.num_iterations * micro_steps / accumulation,
        repeats=recipe.objective.num_iterations,
        prompt=prompt,
        longest_prompt=longest_prompt or 2 * prompt,
        completion=recipe.objective.max_completion_length or LONGEST_UNSET,
        strategy=strategy,
        offload_optimizer=offload_optimizer,
        offload_parameters=offload_parameters,
        weight_bytes=_weight_bytes(recipe, stored_bytes),
        compute_bytes=4 if recipe.training.bf16 is False and not recipe.training.fp16 else 2,
        optimizer=recipe.training.optim,
        checkpointing=recipe.training.gradient_checkpointing,
        eager_attention=recipe.model.attn_implementation == "eager",
        reference=recipe.objective.beta != 0 and not recipe.model.use_peft,
        lora_rank=recipe.model.lora_r if recipe.model.use_peft else None,
        lora_everywhere=bool(modules) and not set(modules) <= {"q_proj", "v_proj"},
        embedder=recipe.embedder.name,
        embedder_tokens=recipe.embedder.batch_tokens,
        sampler=recipe.vllm.vllm_mode if recipe.vllm.use_vllm else "transformers",
        vllm_gpus=recipe.vllm.vllm_gpus,
        vllm_share=vllm_memory(recipe),
        vllm_length=recipe.vllm.vllm_max_model_length,
        vllm_eager=recipe.vllm.vllm_enforce_eager,
        old_logps=_old_logps(recipe, micro_steps),
    )


def prompt_tokens(rows: Sequence[Mapping[str, Any]], column: str, system_prompt: str | None) -> int | None:
    """Return the mean tokens of a prompt in some rows of the data, by their characters; None if they have none."""
    texts = [_text(row[column]) for row in rows if row.get(column)]
    if not texts:
        return None
    mean = sum(map(len, texts)) / len(texts) + len(system_prompt or "")
    return round(mean / CHARACTERS_PER_TOKEN) + TEMPLATE_TOKENS


def data_file(recipe: Recipe) -> str | None:
    """Return the first JSONL file among the recipe's data, the only kind that is read here."""
    names = recipe.data.names
    made = cached_ways() if names and names[0].startswith(BUILTIN_PREFIX) else None
    if made:
        return str(made.train)
    return next((name for name in names if name.endswith(".jsonl")), None)


def deepspeed_config(recipe: Recipe) -> Mapping[str, Any] | None:
    """Return DeepSpeed's settings as the recipe gives them: its own, or those of its accelerate configuration."""
    from dra_toolkit.doctor.model_files import read_json

    given = recipe.launch.deepspeed
    if given is not None:
        from pathlib import Path

        return given if isinstance(given, Mapping) else read_json(Path(given).expanduser())
    if distributed_type(recipe) != "DEEPSPEED":
        return None
    return accelerate_values(recipe).get("deepspeed_config") or {}


def _text(prompt: Any) -> str:
    if isinstance(prompt, list):
        return "".join(str(message.get("content", "")) for message in prompt if isinstance(message, dict))
    return str(prompt)


def _strategy(recipe: Recipe) -> tuple[str, bool, bool]:
    """Return how training state is spread, and whether optimizer states and parameters are kept off the GPUs."""
    settings = deepspeed_config(recipe)
    if settings is not None:
        zero = settings.get("zero_optimization", settings)
        stage = zero.get("stage", settings.get("zero_stage", 2))
        return f"zero{stage}" if stage else "ddp", _offloads(zero, "optimizer"), _offloads(zero, "param")
    if distributed_type(recipe) == "FSDP":
        config = accelerate_values(recipe).get("fsdp_config") or {}
        offload = bool(config.get("fsdp_offload_params"))
        return "fsdp", offload, offload
    return ("ddp" if recipe.launch.num_processes > 1 else "plain"), False, False


def _offloads(zero: Mapping[str, Any], what: str) -> bool:
    inner = zero.get(f"offload_{what}")
    device = inner.get("device") if isinstance(inner, Mapping) else zero.get(f"offload_{what}_device")
    return device not in (None, "none")


def _weight_bytes(recipe: Recipe, stored_bytes: int) -> float:
    if recipe.model.load_in_4bit:
        return 0.55  # half a byte, and the scales of its blocks
    if recipe.model.load_in_8bit:
        return 1.0
    return {"float32": 4, "bfloat16": 2, "float16": 2}.get(recipe.model.dtype or "auto", stored_bytes)


def _old_logps(recipe: Recipe, micro_steps: int) -> bool:
    corrected = recipe.vllm.use_vllm and recipe.vllm.vllm_importance_sampling_correction
    aligned = recipe.training.gradient_accumulation_steps % (micro_steps * recipe.objective.num_iterations) == 0
    return bool(corrected or not aligned)
