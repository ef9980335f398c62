"""What a run may go on with that differs from what it was started with."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.launch.accelerate import distributed_type
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import steps_per_generation

MAY_CHANGE = {
    *("max_steps", "num_train_epochs", "save_steps", "save_total_limit", "output_dir"),
    *("logging_steps", "logging_first_step", "report_to", "disable_tqdm", "log_level", "log_level_replica"),
    *("log_completions", "num_completions_to_print", "skip_memory_metrics"),
    *("dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor"),
    *("dataloader_persistent_workers", "gradient_checkpointing", "gradient_checkpointing_kwargs"),
    *("torch_empty_cache_steps", "ds3_gather_for_generation"),
    *("main_process_ip", "main_process_port", "machine_rank"),
    *("vllm_server_port", "vllm_group_port", "vllm_server_timeout", "vllm_enforce_eager"),
    "vllm_gpu_memory_utilization",
    *("push_to_hub", "hub_model_id", "hub_revisions", "hub_strategy", "hub_private_repo", "hub_always_push"),
}
"""Settings that a resumed run may have different: how long it goes on, where, how fast, and what it leaves behind."""
LAYOUT = {
    *("num_processes", "num_machines", "accelerate_config", "completions_per_step", "per_device_train_batch_size"),
    *("gradient_accumulation_steps", "steps_per_generation", "generation_batch_size"),
}
"""Settings that say how processes share a step; they may differ where every step has the same completions."""
REPLICATED = ("NO", "MULTI_GPU")
"""Layouts in which a checkpoint holds the whole optimizer, so that any number of processes can go on from it."""


def refuse_changes(recipe: Recipe, before: Recipe, run: Path, may_change: Collection[str] = MAY_CHANGE) -> None:
    """Raise RunError if going on with `recipe` would mix two settings in one run, which was started with `before`."""
    free = {*may_change, *LAYOUT} if may_change is MAY_CHANGE and _shares_steps_alike(recipe, before) else may_change
    changed = {
        key: f"{key}: the run has {before.settings[key].value!r}, the recipe now says {recipe[key]!r}"
        for key in recipe
        if key in before.settings and before[key] != recipe[key] and key not in free
    }
    if "num_processes" in changed and _is_replicated(recipe, before):
        changed["num_processes"] += f"; with completions_per_step={_completions(before)} another number can go on"
    if changed:
        raise RunError(
            *changed.values(), f"{run}: resume with the settings it was started with, or use another output_dir"
        )


def _shares_steps_alike(recipe: Recipe, before: Recipe) -> bool:
    """Return whether both give every step the same completions, and the checkpoints of one serve the other."""
    same_steps = _completions(recipe) == _completions(before) and _generated(recipe) == _generated(before)
    return same_steps and _is_replicated(recipe, before)


def _is_replicated(*recipes: Recipe) -> bool:
    return all(distributed_type(one) in REPLICATED and not (one["deepspeed"] or one["fsdp"]) for one in recipes)


def _completions(recipe: Recipe) -> int:
    """Return the completions of one optimizer step, over all processes."""
    each: int = recipe["per_device_train_batch_size"] * recipe["num_processes"]
    return each * int(recipe["gradient_accumulation_steps"])


def _generated(recipe: Recipe) -> int:
    """Return the completions that are sampled at once, over all processes."""
    each: int = recipe["per_device_train_batch_size"] * recipe["num_processes"]
    return each * steps_per_generation(recipe)
