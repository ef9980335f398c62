"""DeepSpeed compiles kernels at its first start; a build that was stopped leaves a lock, for which torch waits for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.launch.accelerate import distributed_type
from dra_toolkit.recipe import Recipe

CACHE = Path("~/.cache/torch_extensions")
KERNEL = "deepspeed_shm_comm"
"""What the processes of a CPU speak through."""


def build_notes(recipe: Recipe, *, on_cpu: bool) -> Iterator[str]:
    """Remove locks that nobody holds, and yield a line for each, and one where DeepSpeed will compile first."""
    if distributed_type(recipe) != "DEEPSPEED":
        return
    cache = Path(os.environ.get("TORCH_EXTENSIONS_DIR", CACHE)).expanduser()
    held = _open_files()
    for lock in sorted((*cache.glob("*/lock"), *cache.glob("*/*/lock"))):
        if str(lock) in held:
            yield f"another process compiles {lock.parent.name} ({lock}); training waits for it"
        else:
            lock.unlink(missing_ok=True)
            yield f"a build of {lock.parent.name} was stopped and left {lock}; removed, it is compiled anew"
    if on_cpu and not any((*cache.glob(f"{KERNEL}/*.so"), *cache.glob(f"*/{KERNEL}/*.so"))):
        yield "DeepSpeed compiles its kernel at this first start, which takes minutes; stopped twice, training ends at once"


def _open_files() -> set[str]:
    """Return the files that processes of this user have open; torch holds its lock so."""
    import psutil

    found: set[str] = set()
    for process in psutil.process_iter():
        try:
            found |= {file.path for file in process.open_files()}
        except (psutil.Error, OSError):
            continue
    return found
