"""From a resolved recipe to running processes: which commands, with which environment, and how they end. No torch."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import LaunchError, RunError
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.runs.checkpoints import checkpoint_step, complete_checkpoints
from dra_toolkit.runs.layout import STOP_FILE, RunDirectory
from dra_toolkit.runs.metrics import rewind_metrics


@dataclass(frozen=True, kw_only=True)
class Command:
    """One process to start."""

    purpose: str
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    """What is set beyond the environment of the launcher."""
    stops_in_order: bool = True
    """Whether it heeds the stop file."""

    def __str__(self) -> str:
        """Return the command as one would type it."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        return shlex.join([*settings, *self.argv])


def plan(recipe: Recipe, run: RunDirectory, *, attempt: int = 1, checkpoint: Path | None = None) -> list[Command]:
    """Return the commands that training this recipe starts, one after the other."""
    commands = []
    if _needs_quickstart_assets(recipe):
        maker = (sys.executable, "-m", "dra_toolkit.quickstart")
        commands.append(
            Command(
                purpose="make the quickstart model and data (once)",
                argv=maker,
                environment=_environment(recipe),
                stops_in_order=False,
            )
        )
    arguments = [str(run.path), "--attempt", str(attempt)]
    if checkpoint:
        arguments += ["--checkpoint", str(checkpoint)]
    argv = (*_interpreter(recipe["num_processes"]), "dra_toolkit.training", *arguments)
    return [*commands, Command(purpose="train", argv=argv, environment=_environment(recipe))]


def _needs_quickstart_assets(recipe: Recipe) -> bool:
    names = (recipe["model_name_or_path"], recipe["dataset_name"])
    return any(name.startswith(BUILTIN_PREFIX) for name in names) and cached_ways() is None


def _interpreter(processes: int) -> tuple[str, ...]:
    if processes == 1:
        return (sys.executable, "-m")
    return (
        *(sys.executable, "-m", "accelerate.commands.launch"),
        # with use_cpu in the trainer's arguments, accelerate's multi-GPU launch starts CPU processes as well
        *("--multi_gpu", "--num_machines", "1", "--num_processes", str(processes), "--main_process_port", "0"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--module"),
    )


def _environment(recipe: Recipe) -> dict[str, str]:
    environment = {}
    if recipe["num_processes"] == 1 and "CUDA_VISIBLE_DEVICES" not in os.environ:
        environment["CUDA_VISIBLE_DEVICES"] = "0"  # one process with several GPUs would make DataParallel replicas
    if recipe["model_name_or_path"].startswith(BUILTIN_PREFIX) and "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = "1"  # a model this small is slower with more
    return environment


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run directory that is ready for its next attempt."""

    run: RunDirectory
    attempt: int
    checkpoint: Path | None
    """Where training continues; None for a fresh start."""
    moved_metrics: int = 0
    """Metrics lines beyond the checkpoint that were put aside."""

    @property
    def logs(self) -> Path:
        """The log folder of this attempt."""
        return self.run.attempt_logs(self.attempt)


def prepare(recipe: Recipe, *, resume: bool = False, overwrite: bool = False) -> Start:
    """Make or reopen the run directory; raises RunError where a run is in the way, saying both ways out."""
    run = RunDirectory(recipe.output_dir)
    if run.exists() and run.is_held():
        with run.held():  # raises, naming the process
            pass
    if run.exists() and not (resume or overwrite):
        raise RunError(
            f"output_dir: {run.path} already holds a run; continue it with --resume, replace it with --overwrite, "
            "or choose another place with output_dir=..."
        )
    if resume:
        return _reopen(recipe, run)
    if run.exists():
        run.delete()
    elif run.path.is_dir() and any(run.path.iterdir()):
        raise RunError(f"output_dir: {run.path} is not empty and not a run; choose another place with output_dir=...")
    run.create(recipe)
    return Start(run=run, attempt=run.start_attempt(), checkpoint=None)


def _reopen(recipe: Recipe, run: RunDirectory) -> Start:
    if not run.exists():
        raise RunError(f"output_dir: there is no run in {run.path} to resume; leave out --resume")
    _refuse_changes(recipe, run)
    checkpoints = complete_checkpoints(run.checkpoints)
    checkpoint = checkpoints[-1] if checkpoints else None
    attempt = run.start_attempt()
    moved = rewind_metrics(
        run.metrics,
        step=checkpoint_step(checkpoint) if checkpoint else 0,
        aside=run.attempt_logs(attempt) / "superseded-metrics.jsonl",
    )
    if recipe.to_json() != run.read_recipe().to_json():
        run.create(recipe)
    return Start(run=run, attempt=attempt, checkpoint=checkpoint, moved_metrics=moved)


MAY_CHANGE = {
    "max_steps",
    "num_train_epochs",
    "save_steps",
    "save_total_limit",
    "logging_steps",
    "report_to",
    "output_dir",
}
"""Settings that a resumed run may have different: how long it goes on, and what it leaves behind."""


def _refuse_changes(recipe: Recipe, run: RunDirectory) -> None:
    """Raise RunError if the recipe to resume with would mix two settings in one run."""
    before = run.read_recipe()
    changed = [
        f"{key}: the run has {before.settings[key].value!r}, the recipe now says {recipe[key]!r}"
        for key in recipe
        if key in before.settings and before[key] != recipe[key] and key not in MAY_CHANGE
    ]
    if changed:
        raise RunError(*changed, f"{run.path}: resume with the settings it was started with, or use another output_dir")


def run_command(command: Command, log: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, printing to `log`."""
    environment = {**os.environ, **command.environment, "DRA_LAUNCHER": str(os.getpid())}
    try:
        with open(log, "ab") as output:
            return subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the launcher alone, which asks for an orderly end
            )
    except OSError as error:
        raise LaunchError(f"{command.argv[0]} cannot be started ({error.strerror})") from None


def ask_to_stop(start: Start) -> None:
    """Ask the training processes to save a checkpoint and end."""
    (start.logs / STOP_FILE).touch()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a started command and everything that it started, at once."""
    import psutil

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)  # ranks live in sessions of their own
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
