"""Settings that follow from others: the accumulation from the batch, the vLLM mode from its GPUs, a preset's parts."""

import contextlib
from collections.abc import Iterator
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.keys import DIVERSITY_PRESETS
from dra_toolkit.recipe.recipe import Setting

LOOPBACK = "127.0.0.1"


def derive(settings: dict[str, Setting]) -> Iterator[str]:
    """Fill in what follows from the given settings; yield a line for each that contradicts what it follows from."""
    following = dict(DIVERSITY_PRESETS[settings["diversity_preset"].value])
    if settings["accelerate_config"].value is not None:
        with contextlib.suppress(RecipeError):  # a file that cannot be read is told by the checks
            following |= read_accelerate_config(settings["accelerate_config"].value).layout
    for key, value in following.items():
        if settings[key].origin == "dra default":
            settings[key] = Setting(value=value, origin="derived")
    if settings["completions_per_step"].value is not None:
        yield from _derive_accumulation(settings)
    if settings["vllm_gpus"].value > 0:
        yield from _derive_server(settings)
    if settings["hub_revisions"].value and not settings["hub_strategy"].is_given:
        settings["hub_strategy"] = Setting(value="end", origin="derived")  # revisions get every save, main the last


def _derive_accumulation(settings: dict[str, Setting]) -> Iterator[str]:
    wanted = settings["completions_per_step"].value
    batch, processes = settings["per_device_train_batch_size"].value, settings["num_processes"].value
    at_once = batch * processes
    if at_once < 1 or wanted < 1:
        return  # told where they were read
    if wanted % at_once:
        each = f"({batch} per device x {processes} processes)"
        yield f"completions_per_step: {wanted} is not a multiple of {at_once} {each}"
        return
    yield from _follow(settings, "gradient_accumulation_steps", wanted // at_once, "completions_per_step")


def _derive_server(settings: dict[str, Setting]) -> Iterator[str]:
    yield from _follow(settings, "use_vllm", True, "vllm_gpus")
    yield from _follow(settings, "vllm_mode", "server", "vllm_gpus")
    yield from _follow(settings, "vllm_server_host", LOOPBACK, "vllm_gpus")
    if settings["vllm_server_base_url"].value is not None:
        yield "vllm_server_base_url: is for a server of your own; leave it out, or set vllm_gpus: 0"


def _follow(settings: dict[str, Setting], key: str, value: Any, cause: str) -> Iterator[str]:
    """Set `key` as it follows from `cause`, unless it was given another value."""
    if not settings[key].is_given:
        settings[key] = Setting(value=value, origin="derived")
    elif settings[key].value != value:
        yield f"{key}: {settings[key].value} contradicts {cause}, from which {value} follows; leave one of them out"
