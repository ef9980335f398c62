"""The run directory made ready for an attempt: a fresh start, a resume, or joining the attempt of machine 0."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.errors import LaunchError, RunError
from dra_toolkit.launch.changes import refuse_changes
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.keys import HOW_LONG, OWN_OF_A_MACHINE
from dra_toolkit.runs.checkpoints import checkpoint_step, complete_checkpoints, incomplete_checkpoints
from dra_toolkit.runs.layout import STOP_FILE, RunDirectory
from dra_toolkit.runs.metrics import rewind_metrics

STARTING = "starting"
JOIN_SECONDS = 900.0
"""How long one machine waits for the others to start."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run directory that is ready for its next attempt."""

    run: RunDirectory
    attempt: int
    checkpoint: Path | None
    """Where training continues; None for a fresh start."""
    moved_metrics: int = 0
    """Metrics lines beyond the checkpoint that were put aside."""
    skipped: tuple[str, ...] = ()
    """Newer checkpoints that are not complete, and what each lacks."""
    kept_aside: Path | None = None
    """Where the evaluations of the run that was overwritten lie."""

    @property
    def logs(self) -> Path:
        """The log folder of this attempt."""
        return self.run.attempt_logs(self.attempt)


def prepare(recipe: Recipe, *, resume: bool = False, overwrite: bool = False) -> Start:
    """Make or reopen the run directory on machine 0; raises RunError where a run is in the way, saying both ways out."""
    run = RunDirectory(recipe.output_dir)
    if run.exists() and run.is_held():
        with run.held():  # raises, naming the process
            pass
    if problem := in_the_way(recipe, resume=resume, overwrite=overwrite):
        raise RunError(problem)
    if resume:
        return _announced(_reopened(recipe, run))
    kept_aside = None
    if run.exists() and overwrite:
        kept_aside = run.delete()
    elif not run.exists() and run.path.is_dir() and any(run.path.iterdir()):
        raise RunError(f"output_dir: {run.path} is not empty and not a run; choose another place with output_dir=...")
    run.create(recipe)
    return _announced(Start(run=run, attempt=run.start_attempt(), checkpoint=None, kept_aside=kept_aside))


def in_the_way(recipe: Recipe, *, resume: bool, overwrite: bool) -> str | None:
    """Return the line on a run that a start would have to replace, if there is one; what recorded nothing is in no way."""
    run = RunDirectory(recipe.output_dir)
    if resume or overwrite or not run.exists() or run.recorded_nothing():
        return None
    return (
        f"output_dir: {run.path} already holds a run; continue it with --resume, replace it with --overwrite, "
        "or choose another place with output_dir=..."
    )


@contextmanager
def prepared(recipe: Recipe, *, resume: bool, overwrite: bool) -> Iterator[Start]:
    """Prepare a start on machine 0, and keep other launchers away from the run until it has ended."""
    run = RunDirectory(recipe.output_dir)
    with ExitStack() as stack:
        if reopened := run.exists():
            stack.enter_context(run.launched())
        start = prepare(recipe, resume=resume, overwrite=overwrite)
        if not reopened or overwrite:
            stack.enter_context(run.launched())  # the folder is new, and so is its lock
        yield start


def join(recipe: Recipe, *, seconds: float = JOIN_SECONDS, wait: Callable[[float], None] = time.sleep) -> Start:
    """Return the attempt that machine 0 has just started in the same run directory, waiting for it.

    Raises LaunchError if there is none in time, RunError if machine 0 runs another recipe.
    """
    run = RunDirectory(recipe.output_dir)
    deadline = time.time() + seconds
    while not _is_fresh(run.status(), seconds):
        if time.time() > deadline:
            raise LaunchError(
                f"output_dir: machine 0 has started no run in {run.path} within {seconds:g} s; start `dra train` with "
                "machine_rank=0 there, with output_dir on a file system that all machines share"
            )
        wait(1.0)
    refuse_changes(recipe, run.read_recipe(), run.path, may_change=OWN_OF_A_MACHINE)
    facts = run.status()
    name = facts.get("checkpoint")
    return Start(run=run, attempt=int(facts["attempt"]), checkpoint=run.checkpoints / name if name else None)


def resumable_from(recipe: Recipe) -> Path | None:
    """Return the checkpoint that a resume goes on from, None for the first step; raises RunError where it would refuse."""
    run = RunDirectory(recipe.output_dir)
    if not run.exists():
        raise RunError(f"output_dir: there is no run in {run.path} to resume; leave out --resume")
    if not run.recorded_nothing():
        refuse_changes(recipe, run.read_recipe(), run.path)
    checkpoints = complete_checkpoints(run.checkpoints)
    return checkpoints[-1] if checkpoints else None


def _reopened(recipe: Recipe, run: RunDirectory) -> Start:
    checkpoint, before = resumable_from(recipe), run.read_recipe()
    skipped = tuple(
        f"{path.name} is not complete, it lacks {lack}; skipped"
        for path, lack in incomplete_checkpoints(run.checkpoints)
        if checkpoint is None or checkpoint_step(path) > checkpoint_step(checkpoint)
    )
    attempt = run.start_attempt()
    moved = rewind_metrics(
        run.metrics,
        step=checkpoint_step(checkpoint) if checkpoint else 0,
        aside=run.attempt_logs(attempt) / "superseded-metrics.jsonl",
    )
    if recipe.to_json() != before.to_json():
        run.create(recipe)
    return Start(run=run, attempt=attempt, checkpoint=checkpoint, moved_metrics=moved, skipped=skipped)


def _announced(start: Start) -> Start:
    """Say that an attempt begins: the other machines wait for it."""
    checkpoint = start.checkpoint.name if start.checkpoint else None
    start.run.write_status(STARTING, attempt=start.attempt, checkpoint=checkpoint)
    return start


def _is_fresh(status: dict[str, Any], seconds: float) -> bool:
    return status.get("state") == STARTING and abs(time.time() - status["time"]) < seconds


def say_failed(start: Start) -> None:
    """Say that an attempt came to nothing, if its training processes could not say how they stand."""
    if start.run.status().get("state") in (STARTING, "killed"):
        with contextlib.suppress(OSError):  # a full disk must not hide why it came to nothing
            start.run.write_status("failed", attempt=start.attempt)


def is_finished(recipe: Recipe) -> bool:
    """Return whether the recipe's run has taken all the steps that the recipe asks for."""
    run = RunDirectory(recipe.output_dir)
    if not run.exists() or run.status().get("state") != "finished":
        return False
    before = run.read_recipe()
    return all(recipe[key] == before[key] for key in HOW_LONG)


def ask_to_stop(start: Start) -> None:
    """Ask the training processes, on every machine, to save a checkpoint and end."""
    (start.logs / STOP_FILE).touch()
