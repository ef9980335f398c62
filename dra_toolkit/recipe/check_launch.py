"""Whether processes, machines and the vLLM server of a recipe fit together, without looking at this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config

SERVER_PORTS = ("vllm_server_port", "vllm_group_port")
PORTS = ("main_process_port", *SERVER_PORTS)


def check_launch(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield each problem with how a recipe is to be launched."""
    yield from _check_machines(recipe)
    yield from _check_server(recipe)
    for key in PORTS:
        if not 1 <= recipe[key] <= 65535:
            yield f"{key}: found {recipe[key]}, expected a port from 1 to 65535"
    if recipe["accelerate_config"] is not None:
        yield from _check_config(recipe)


def _check_machines(recipe: Mapping[str, Any]) -> Iterator[str]:
    machines, rank, processes = recipe["num_machines"], recipe["machine_rank"], recipe["num_processes"]
    if machines < 1:
        return  # told where it was read
    if not 0 <= rank < machines:
        yield f"machine_rank: found {rank}, expected 0 to {machines - 1} for num_machines: {machines}"
    if machines > 1 and recipe["main_process_ip"] is None:
        yield "main_process_ip: missing; several machines need the address of machine 0"
    if processes >= 1 and processes % machines:
        yield f"num_processes: {processes} (in all) is not a multiple of num_machines: {machines}"


def _check_server(recipe: Mapping[str, Any]) -> Iterator[str]:
    parallel = recipe["vllm_tensor_parallel_size"]
    if recipe["vllm_gpus"] > 0 and parallel not in (1, recipe["vllm_gpus"]):
        yield f"vllm_tensor_parallel_size: {parallel} does not fit vllm_gpus: {recipe['vllm_gpus']}; leave it out"


def _check_config(recipe: Mapping[str, Any]) -> Iterator[str]:
    try:
        config = read_accelerate_config(recipe["accelerate_config"])
    except RecipeError as error:
        yield from error.problems
        return
    if config.distributed_type == "NO" and recipe["num_processes"] > 1:
        yield (
            f"accelerate_config: {recipe['accelerate_config']} starts one process, but num_processes is "
            f"{recipe['num_processes']}; choose ddp, fsdp2, zero2 or zero3"
        )
    if recipe["deepspeed"] is not None and config.distributed_type != "DEEPSPEED":
        yield f"deepspeed: contradicts accelerate_config: {recipe['accelerate_config']}; leave one of them out"
