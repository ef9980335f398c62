"""The run directory made ready for an attempt: a fresh start, a resume without two settings in one run, or a join."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dra_toolkit.errors import LaunchError, RunError
from dra_toolkit.launch.plan import distributed_type
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.inferred import steps_per_generation
from dra_toolkit.recipe.keys import HOW_LONG, LAYOUT, MAY_CHANGE, OWN_OF_A_MACHINE, PROCESSES
from dra_toolkit.recipe.places import same_place
from dra_toolkit.runs.checkpoints import checkpoint_step, complete_checkpoints, incomplete_checkpoints
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.runs.metrics import rewind_metrics

STARTING = "starting"
JOIN_SECONDS = 900.0
"""How long one machine waits for the others to start."""
REPLICATED = ("NO", "MULTI_GPU")
"""Layouts in which a checkpoint holds the whole optimizer, so that any number of processes can go on from it."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run directory that is ready for its next attempt."""

    run: RunDirectory
    attempt: int
    checkpoint: Path | None
    """Where training continues; None for a fresh start."""
    skipped: tuple[str, ...] = ()
    """Newer checkpoints that are not complete, and what each lacks."""
    kept_aside: Path | None = None
    """Where the evaluations of the run that was overwritten lie."""

    @property
    def logs(self) -> Path:
        """The log folder of this attempt."""
        return self.run.attempt_logs(self.attempt)


def prepare(recipe: Recipe, *, resume: bool = False, overwrite: bool = False, is_new: bool | None = None) -> Start:
    """Make or reopen the run directory on machine 0; raises RunError where a run is in the way, saying both ways out.

    is_new: whether there was no run when the start began; another may have begun since
    """
    run = RunDirectory(recipe.output_dir)
    is_new = not run.exists() if is_new is None else is_new
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
    run.create(recipe, is_new=is_new or overwrite)
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
            stack.enter_context(run.held(".launch"))
        start = prepare(recipe, resume=resume, overwrite=overwrite, is_new=not reopened)
        if not reopened or overwrite:
            stack.enter_context(run.held(".launch"))  # the folder is new, and so is its lock
        yield start


def join(recipe: Recipe, *, seconds: float = JOIN_SECONDS, wait: Callable[[float], None] = time.sleep) -> Start:
    """Return the attempt that machine 0 has just started in the same run directory, waiting for it.

    Raises LaunchError if there is none in time, RunError if machine 0 runs another recipe.
    """
    run = RunDirectory(recipe.output_dir)
    deadline = time.time() + seconds
    while (said := run.status()).get("state") != STARTING or abs(time.time() - said["time"]) >= seconds:
        if time.time() > deadline:
            raise LaunchError(
                f"output_dir: machine 0 has started no run in {run.path} within {seconds:g} s; start `dra train` with "
                "machine_rank=0 there, with output_dir on a file system that all machines share"
            )
        wait(1.0)
    refuse_changes(recipe, run.read_recipe(), run.path, may_change=OWN_OF_A_MACHINE)
    name = said.get("checkpoint")
    return Start(run=run, attempt=int(said["attempt"]), checkpoint=run.checkpoints / name if name else None)


def resumable_from(recipe: Recipe) -> tuple[Path | None, tuple[str, ...]]:
    """Return the checkpoint that a resume goes on from, None for the first step, and a line for each newer one that is torn.

    Raises RunError where it would refuse.
    """
    run = RunDirectory(recipe.output_dir)
    if not run.exists():
        raise RunError(f"output_dir: there is no run in {run.path} to resume; leave out --resume")
    if not run.recorded_nothing():
        refuse_changes(recipe, run.read_recipe(), run.path)
    complete = complete_checkpoints(run.checkpoints)
    checkpoint = complete[-1] if complete else None
    return checkpoint, tuple(
        f"{path.name} is not complete, it lacks {lack}; skipped"
        for path, lack in incomplete_checkpoints(run.checkpoints)
        if checkpoint is None or checkpoint_step(path) > checkpoint_step(checkpoint)
    )


def _reopened(recipe: Recipe, run: RunDirectory) -> Start:
    checkpoint, skipped = resumable_from(recipe)
    if recipe.to_json() != run.read_recipe().to_json():
        run.create(recipe)
    attempt = run.start_attempt()  # with the settings of the recipe as it is now
    rewind_metrics(
        run.metrics,
        step=checkpoint_step(checkpoint) if checkpoint else 0,
        aside=run.attempt_logs(attempt) / "superseded-metrics.jsonl",
    )
    return Start(run=run, attempt=attempt, checkpoint=checkpoint, skipped=skipped)


def _announced(start: Start) -> Start:
    """Say that an attempt begins: the other machines wait for it."""
    checkpoint = start.checkpoint.name if start.checkpoint else None
    start.run.write_status(STARTING, attempt=start.attempt, checkpoint=checkpoint)
    return start


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


def refuse_changes(recipe: Recipe, before: Recipe, run: Path, may_change: Collection[str] = MAY_CHANGE) -> None:
    """Raise RunError if going on with `recipe` would mix two settings in one run, which was started with `before`."""
    free = {*may_change, *LAYOUT} if may_change is MAY_CHANGE and _shares_steps_alike(recipe, before) else may_change
    changed = {
        key: f"{key}: the run has {before.settings[key].value!r}, the recipe now says {recipe[key]!r}"
        for key in recipe
        if key in before.settings and key not in free and not same_place(key, before[key], recipe[key], recipe.folder)
    }
    if PROCESSES in changed and _is_replicated(recipe, before):
        changed[PROCESSES] += f"; with completions_per_step={_completions(before)} another number can go on"
    if changed:
        raise RunError(
            *changed.values(), f"{run}: resume with the settings it was started with, or use another output_dir"
        )


def _shares_steps_alike(recipe: Recipe, before: Recipe) -> bool:
    """Return whether both give every step the same completions, and the checkpoints of one serve the other."""
    same_steps = _completions(recipe) == _completions(before) and _generated(recipe) == _generated(before)
    return same_steps and _is_replicated(recipe, before)


def _is_replicated(*recipes: Recipe) -> bool:
    return all(distributed_type(one) in REPLICATED and not (one.launch.deepspeed or one.launch.fsdp) for one in recipes)


def _completions(recipe: Recipe) -> int:
    """Return the completions of one optimizer step, over all processes."""
    training = recipe.training
    return training.per_device_train_batch_size * recipe.launch.num_processes * training.gradient_accumulation_steps


def _generated(recipe: Recipe) -> int:
    """Return the completions that are sampled at once, over all processes."""
    at_once = recipe.training.per_device_train_batch_size * recipe.launch.num_processes
    return at_once * steps_per_generation(recipe)
