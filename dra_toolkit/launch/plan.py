"""From a resolved recipe to the commands that this machine runs, with the GPUs and the environment of each. No torch."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dra_toolkit.launch.command import Command
from dra_toolkit.launch.devices import Gpu
from dra_toolkit.launch.vllm_command import server_command
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.runs.layout import RunDirectory

MODULE = "dra_toolkit.training"


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
    train = Command(
        purpose="train",
        argv=(*interpreter(recipe), MODULE, *arguments),
        environment=_environment(recipe, names[: recipe.launch.local_processes], gpus),
    )
    server = None
    if recipe.vllm.vllm_gpus > 0 and recipe.launch.machine_rank == 0:
        environment = _environment(recipe, names[-recipe.vllm.vllm_gpus :], gpus)
        server = server_command(recipe, environment, on_cpu=not gpus)
    return Plan(before=_preparation(recipe), server=server, train=train)


def _preparation(recipe: Recipe) -> tuple[Command, ...]:
    names = (recipe.model.model_name_or_path, *recipe.data.names)
    if not any(name.startswith(BUILTIN_PREFIX) for name in names) or cached_ways() is not None:
        return ()
    return (
        Command(
            purpose="make the quickstart model and data (once)",
            argv=(sys.executable, "-m", "dra_toolkit.quickstart"),
            environment={} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": "1"},
            stops_in_order=False,
        ),
    )


def _environment(recipe: Recipe, shown: list[str], gpus: Sequence[Gpu]) -> dict[str, str]:
    """Return what a process gets, where the user has not set it, besides sight of the GPUs `shown` alone.

    A single process that sees several GPUs would make DataParallel replicas; training and server must not share one. vLLM
    without a GPU takes GiB for its cache, not a share of all there is. The quickstart's model is slower on more threads.
    """
    given: dict[str, str] = {}
    if not shown and _may_have_gpus() and not uses_accelerate(recipe):
        given["CUDA_VISIBLE_DEVICES"] = "0"
    if recipe.vllm.use_vllm and not gpus:
        given["VLLM_CPU_KVCACHE_SPACE"] = "1"
    if recipe.model.model_name_or_path.startswith(BUILTIN_PREFIX):
        given["OMP_NUM_THREADS"] = "1"
    given = {name: value for name, value in given.items() if name not in os.environ}
    return given | ({"CUDA_VISIBLE_DEVICES": ",".join(shown)} if shown else {})


def _may_have_gpus() -> bool:
    """Return whether there are devices of a driver, seen or not by the tool that counts them."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def interpreter(recipe: Recipe) -> tuple[str, ...]:
    """Return the command line up to the name of the module that every process runs."""
    if not uses_accelerate(recipe):
        return (sys.executable, "-m")
    precision = "fp16" if recipe.training.fp16 else "no" if recipe.training.bf16 is False else "bf16"  # TRL's default
    return (
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *_strategy(recipe),
        *("--num_processes", str(recipe.launch.num_processes), "--num_machines", str(recipe.launch.num_machines)),
        *_meeting_point(recipe),
        *("--mixed_precision", precision, "--dynamo_backend", "no", "--module"),
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
