"""What `dra train` asks of this package: to say what a recipe would start here, and to start it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dra_toolkit.errors import LaunchError, RecipeError
from dra_toolkit.launch.build_locks import build_notes
from dra_toolkit.launch.command import how_it_ended
from dra_toolkit.launch.devices import Gpu, visible_gpus
from dra_toolkit.launch.plan import Plan, plan
from dra_toolkit.launch.requirements import missing
from dra_toolkit.launch.start import Start, in_the_way, is_finished, join, prepared, resumable_from, say_failed
from dra_toolkit.launch.supervise import Outcome, Show, supervise
from dra_toolkit.logins import login_problems
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.check_users import import_problems
from dra_toolkit.runs.checkpoints import complete_checkpoints
from dra_toolkit.runs.layout import RunDirectory

STOPPED_STATUS = 3
"""Exit status of a training process that saved and stopped as asked."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How training a recipe ended."""

    run: RunDirectory
    state: Literal["finished", "was finished", "stopped", "killed", "refused", "failed"]
    """`refused`: for a mistake of the user's."""
    problems: tuple[str, ...] = ()
    """What went wrong, a line each."""
    log: Path | None = None
    """The output whose end says more of it."""

    @property
    def saved(self) -> str | None:
        """The newest complete checkpoint."""
        found = complete_checkpoints(self.run.checkpoints)
        return found[-1].name if found else None


def preview(recipe: Recipe, *, resume: bool = False, overwrite: bool = False) -> tuple[Plan, list[str]]:
    """Return what training would start, and what is missing before it; on a machine without GPUs those are assumed.

    Raises RunError where a resume would be refused, and RecipeError for code of the user's that cannot be imported.
    """
    if problems := import_problems(recipe):
        raise RecipeError(*problems)
    run = RunDirectory(recipe.output_dir)
    checkpoint = resumable_from(recipe) if resume else None
    attempt = 1 if overwrite else run.last_attempt() + 1
    planned = plan(recipe, run, gpus=visible_gpus() or _assumed(recipe), attempt=attempt, checkpoint=checkpoint)
    before = [*filter(None, [in_the_way(recipe, resume=resume, overwrite=overwrite)]), *login_problems(recipe)]
    notes = [f"before training: {problem}" for problem in before]
    if resume and is_finished(recipe):
        notes.append(f"{run.path} is finished, so a resume does nothing; raise max_steps to go on")
    return planned, notes


def train(recipe: Recipe, *, resume: bool, overwrite: bool, show: Show) -> Ended:
    """Train a recipe to its end, showing its events.

    Raises LaunchError for what the machine lacks, and RunError where a run is in the way or cannot be resumed.
    """
    if resume and is_finished(recipe):
        return Ended(run=RunDirectory(recipe.output_dir), state="was finished")
    gpus = visible_gpus()
    problems = [*missing(recipe, gpus), *login_problems(recipe)]
    if problems:
        raise LaunchError(*problems)
    if not recipe.launch.is_first_machine:
        return _train(recipe, join(recipe), gpus, show)
    with prepared(recipe, resume=resume, overwrite=overwrite) as start:
        try:
            return _train(recipe, start, gpus, show)
        finally:
            say_failed(start)


def _train(recipe: Recipe, start: Start, gpus: list[Gpu], show: Show) -> Ended:
    for note in (*_opening_notes(recipe, start), *build_notes(recipe, on_cpu=not gpus)):
        show({"event": "notice", "text": note})
    planned = plan(recipe, start.run, gpus=gpus, attempt=start.attempt, checkpoint=start.checkpoint)
    return _ended(start, supervise(recipe, planned, start, show))


def _assumed(recipe: Recipe) -> list[Gpu]:
    """Return the GPUs to show where there are none, for a recipe that needs them."""
    if recipe.vllm.vllm_gpus == 0:
        return []
    count = recipe.launch.local_processes + recipe.vllm.vllm_gpus
    return [Gpu(index=str(index), name="assumed", memory_mib=0) for index in range(count)]


def _opening_notes(recipe: Recipe, start: Start) -> Iterator[str]:
    yield from recipe.notes
    yield from start.skipped
    if start.kept_aside:
        yield f"the evaluations of the run that was overwritten are kept in {start.kept_aside}"
    if start.checkpoint:
        yield f"continuing after step {start.checkpoint.name.split('-')[-1]} (attempt {start.attempt})"
    elif start.attempt > 1:
        yield f"no complete checkpoint in {start.run.checkpoints}; starting from the first step (attempt {start.attempt})"


def _ended(start: Start, outcome: Outcome) -> Ended:
    if outcome.problems:
        return Ended(run=start.run, state="refused", problems=outcome.problems)
    if outcome.killed:
        return Ended(run=start.run, state="killed")
    if outcome.stopped or outcome.status == STOPPED_STATUS:
        return Ended(run=start.run, state="stopped")
    if outcome.reason:
        return Ended(run=start.run, state="failed", problems=(outcome.reason,))
    if outcome.status:
        log = max(start.logs.glob("output*.log"), key=lambda path: path.stat().st_mtime)
        said = f"training {how_it_ended(outcome.status)}; its whole output is in {log}"
        return Ended(run=start.run, state="failed", problems=(said,), log=log)
    return Ended(run=start.run, state="finished")
