"""DeepSpeed compiles kernels at its first start; a build that was stopped leaves a lock, for which torch waits for ever."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.launch.plan import distributed_type
from dra_toolkit.recipe import Recipe

CACHE = Path("~/.cache/torch_extensions")
KERNEL = "deepspeed_shm_comm"
"""What the processes of a CPU speak through."""


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
