"""The training command: one Python process, or `accelerate launch` with the recipe's configuration."""

from __future__ import annotations

import sys

from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.accelerate_config import read_accelerate_config

MODULE = "dra_toolkit.training"


def training_argv(recipe: Recipe, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that trains: this machine's share of the processes, `arguments` for each of them."""
    return (*interpreter(recipe), MODULE, *arguments)


def interpreter(recipe: Recipe) -> tuple[str, ...]:
    """Return the command line up to the name of the module that every process runs."""
    if not uses_accelerate(recipe):
        return (sys.executable, "-m")
    return (
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *_strategy(recipe),
        *("--num_processes", str(recipe.launch.num_processes), "--num_machines", str(recipe.launch.num_machines)),
        *_meeting_point(recipe),
        *("--mixed_precision", mixed_precision(recipe), "--dynamo_backend", "no", "--module"),
    )


def distributed_type(recipe: Recipe) -> str:
    """Return accelerate's name of how the recipe's processes work together: NO, MULTI_GPU, DEEPSPEED or FSDP."""
    name = recipe.launch.accelerate_config
    if name is None:
        return "MULTI_GPU" if recipe.launch.num_processes > 1 else "NO"
    kind = read_accelerate_config(name).distributed_type
    return "MULTI_GPU" if kind == "MULTI_CPU" else kind  # accelerate starts MULTI_CPU by mpirun alone


def uses_accelerate(recipe: Recipe) -> bool:
    """Return whether more than one plain process is to be started; data parallelism over one process is none."""
    kind = distributed_type(recipe)
    return kind in ("DEEPSPEED", "FSDP") or recipe.launch.num_processes > 1


def mixed_precision(recipe: Recipe) -> str:
    """Return accelerate's name for the precision that the recipe trains in; TRL's is bf16 where nothing is said."""
    if recipe.training.fp16:
        return "fp16"
    return "no" if recipe.training.bf16 is False else "bf16"


def _strategy(recipe: Recipe) -> tuple[str, ...]:
    if distributed_type(recipe) == "MULTI_GPU":
        return ("--multi_gpu",)  # with use_cpu in the trainer's arguments it starts CPU processes as well
    name = recipe.launch.accelerate_config
    return () if name is None else ("--config_file", str(read_accelerate_config(name).path))


def _meeting_point(recipe: Recipe) -> tuple[str, ...]:
    launch = recipe.launch
    if launch.num_machines == 1:
        return ("--main_process_port", "0")  # any free one
    return (
        *("--machine_rank", str(launch.machine_rank), "--main_process_ip", str(launch.main_process_ip)),
        *("--main_process_port", str(launch.main_process_port), "--same_network", "--rdzv_backend", "static"),
    )
