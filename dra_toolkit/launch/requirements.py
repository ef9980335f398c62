"""What this machine must have for a recipe to start on it: packages, GPUs, free ports. Seen without loading torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from dra_toolkit.launch.accelerate import distributed_type, uses_accelerate
from dra_toolkit.launch.devices import Gpu
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import gpus_wanted


def missing(recipe: Recipe, gpus: Sequence[Gpu]) -> Iterator[str]:
    """Yield a line for each thing that the recipe needs and this machine lacks."""
    yield from _missing_packages(recipe)
    yield from _missing_gpus(recipe, gpus)


def _missing_packages(recipe: Recipe) -> Iterator[str]:
    absent = [name for name in ("torch", "transformers", "trl", "datasets") if find_spec(name) is None]
    if absent:
        yield f'{", ".join(absent)} not installed; training needs `pip install "dra-toolkit[train]"`'
    if uses_accelerate(recipe) and find_spec("accelerate") is None:
        yield 'accelerate not installed; several processes need `pip install "dra-toolkit[train]"`'
    if _needs_deepspeed(recipe) and find_spec("deepspeed") is None:
        yield 'deepspeed not installed; this recipe needs `pip install "dra-toolkit[deepspeed]"`, or accelerate_config=ddp'
    if recipe.vllm.use_vllm and find_spec("vllm") is None:
        yield 'use_vllm: vllm not installed; `pip install "dra-toolkit[vllm]"`, or use_vllm=false vllm_gpus=0'
    if recipe.model.attn_implementation == "flash_attention_2" and not (
        find_spec("flash_attn") or find_spec("kernels")
    ):
        yield (
            "attn_implementation: flash_attention_2 needs the package flash-attn (`pip install flash-attn "
            "--no-build-isolation`); attn_implementation=sdpa comes with torch"
        )


def _needs_deepspeed(recipe: Recipe) -> bool:
    return recipe.launch.deepspeed is not None or distributed_type(recipe) == "DEEPSPEED"


def _missing_gpus(recipe: Recipe, gpus: Sequence[Gpu]) -> Iterator[str]:
    training, serving = gpus_wanted(recipe)
    if not gpus:
        if distributed_type(recipe) == "FSDP":
            yield "accelerate_config: FSDP needs GPUs; on a CPU accelerate would silently train without sharding"
        return
    if recipe.launch.use_cpu:
        return
    if training + serving > len(gpus):
        names = ", ".join(gpu.index for gpu in gpus)
        yield (
            f"num_processes: {training} training processes here and {serving} GPUs for vLLM need "
            f"{training + serving} GPUs, and this machine shows {len(gpus)} ({names}); lower num_processes or vllm_gpus"
        )
