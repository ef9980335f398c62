"""What several keys of a resolved recipe come to together: micro-steps, GPUs, memory, arguments of rewards."""

from collections.abc import Mapping
from typing import Any

from dra_toolkit.recipe.recipe import Recipe

SERVER_MEMORY = 0.9
"""Share of a GPU that a vLLM server takes which a run brings along: it has its GPUs for itself."""


def steps_per_generation(recipe: Mapping[str, Any]) -> int:
    """Return how many micro-steps of all processes use up one generation batch."""
    batch, processes = recipe["per_device_train_batch_size"], max(1, recipe["num_processes"])
    if recipe["generation_batch_size"] is not None:
        return max(1, recipe["generation_batch_size"] // (batch * processes))
    return recipe["steps_per_generation"] or recipe["gradient_accumulation_steps"]


def gpus_wanted(recipe: Recipe) -> tuple[int, int]:
    """Return the GPUs that this machine needs to train on, and for its vLLM server."""
    return recipe.launch.local_processes, recipe.vllm.vllm_gpus if recipe.launch.is_first_machine else 0


def vllm_memory(recipe: Recipe) -> float:
    """Return the share of a GPU's memory that vLLM takes."""
    given = recipe.settings["vllm_gpu_memory_utilization"].origin != "TRL default"
    return SERVER_MEMORY if recipe.vllm.vllm_gpus and not given else float(recipe.vllm.vllm_gpu_memory_utilization)


def reward_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return the rewards' parameters; a cosine length not given is the longest completion of the recipe."""
    arguments = recipe.owned_by("reward")
    if recipe.settings["cosine_max_length"].origin == "dra default" and recipe.objective.max_completion_length:
        arguments["cosine_max_length"] = recipe.objective.max_completion_length
    return arguments


def chosen_project(recipe: Recipe) -> str | None:
    """Return the project that a recipe files its runs under, where it names one."""
    return recipe.output.project if recipe.settings["project"].origin != "TRL default" else None
