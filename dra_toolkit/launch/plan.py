"""From a resolved recipe to the commands that this machine runs, with the GPUs and the environment of each. No torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dra_toolkit.launch.accelerate import training_argv, uses_accelerate
from dra_toolkit.launch.command import Command
from dra_toolkit.launch.devices import Gpu
from dra_toolkit.launch.vllm_server import server_command
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.runs.layout import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `dra train` runs on this machine."""

    before: tuple[Command, ...]
    """One after the other, before training."""
    server: Command | None
    """Beside training: started before it, ended after it."""
    train: Command

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return all commands in the order in which they start."""
        return (*self.before, *((self.server,) if self.server else ()), self.train)


def plan(
    recipe: Recipe, run: RunDirectory, *, gpus: Sequence[Gpu] = (), attempt: int = 1, checkpoint: Path | None = None
) -> Plan:
    """Return the commands that training this recipe starts on this machine, whose visible GPUs are `gpus`."""
    arguments = [str(run.path), "--attempt", str(attempt)]
    if checkpoint:
        arguments += ["--checkpoint", str(checkpoint)]
    if recipe.folder is not None and recipe.folder.resolve() != Path.cwd():
        arguments += ["--beside", str(recipe.folder)]
    names = [gpu.index for gpu in gpus]
    local = recipe.launch.local_processes
    train = Command(
        purpose="train",
        argv=training_argv(recipe, tuple(arguments)),
        environment={**_shown(names[:local], recipe), **_threads(recipe), **_on_cpu(recipe, gpus)},
    )
    server = None
    if recipe.vllm.vllm_gpus > 0 and recipe.launch.machine_rank == 0:
        shown = _shown(names[-recipe.vllm.vllm_gpus :], recipe)
        server = server_command(recipe, shown | _threads(recipe) | _on_cpu(recipe, gpus), on_cpu=not gpus)
    return Plan(before=_preparation(recipe), server=server, train=train)


def _preparation(recipe: Recipe) -> tuple[Command, ...]:
    names = (recipe.model.model_name_or_path, *recipe.data.names)
    if not any(name.startswith(BUILTIN_PREFIX) for name in names) or cached_ways() is not None:
        return ()
    return (
        Command(
            purpose="make the quickstart model and data (once)",
            argv=(sys.executable, "-m", "dra_toolkit.quickstart"),
            environment=_threads(recipe),
            stops_in_order=False,
        ),
    )


def _shown(gpus: list[str], recipe: Recipe) -> dict[str, str]:
    """Return the environment in which a process sees these GPUs alone, where it would otherwise see more.

    A single process that sees several would make DataParallel replicas; training and server must not share one.
    """
    if gpus:
        return {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    if _may_have_gpus() and not uses_accelerate(recipe) and "CUDA_VISIBLE_DEVICES" not in os.environ:
        return {"CUDA_VISIBLE_DEVICES": "0"}
    return {}


def _may_have_gpus() -> bool:
    """Return whether there are devices of a driver, seen or not by the tool that counts them."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def _on_cpu(recipe: Recipe, gpus: Sequence[Gpu]) -> dict[str, str]:
    """Return what vLLM needs where there is no GPU: the GiB of memory for its cache, instead of a share of all there is."""
    if recipe.vllm.use_vllm and not gpus and "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
        return {"VLLM_CPU_KVCACHE_SPACE": "1"}
    return {}


def _threads(recipe: Recipe) -> dict[str, str]:
    """Return one thread for the quickstart's model: so small a one is slower with more."""
    if recipe.model.model_name_or_path.startswith(BUILTIN_PREFIX) and "OMP_NUM_THREADS" not in os.environ:
        return {"OMP_NUM_THREADS": "1"}
    return {}
