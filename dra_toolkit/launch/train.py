"""What `dra train` asks of this package: to say what a recipe would start here, and to start it and see it to its end."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from dra_toolkit.errors import LaunchError, RecipeError
from dra_toolkit.launch.build_locks import build_notes
from dra_toolkit.launch.command import Command, how_it_ended, kill, run_command
from dra_toolkit.launch.devices import Gpu, visible_gpus
from dra_toolkit.launch.machines import Machines
from dra_toolkit.launch.plan import Plan, plan
from dra_toolkit.launch.requirements import missing
from dra_toolkit.launch.start import Start, in_the_way, is_finished, join, prepared, resumable_from, say_failed
from dra_toolkit.launch.vllm_server import VLLMServer
from dra_toolkit.launch.watch import EventTail
from dra_toolkit.logins import login_problems
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.check_users import import_problems
from dra_toolkit.recipe.inferred import gpus_wanted
from dra_toolkit.runs.checkpoints import complete_checkpoints
from dra_toolkit.runs.layout import STOP_FILE, RunDirectory

POLL_SECONDS = 0.2
STOPPED_STATUS = 3
"""Exit status of a training process that saved and stopped as asked."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Show = Callable[[dict[str, Any]], None]
"""Shows an event to whoever waits in front of the terminal."""


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
    checkpoint, skipped = resumable_from(recipe) if resume else (None, ())
    attempt = 1 if overwrite else run.last_attempt() + 1
    assumed = range(sum(gpus_wanted(recipe)) if recipe.vllm.vllm_gpus else 0)
    gpus = visible_gpus() or [Gpu(index=str(index), name="assumed", memory_mib=0) for index in assumed]
    planned = plan(recipe, run, gpus=gpus, attempt=attempt, checkpoint=checkpoint)
    before = [*filter(None, [in_the_way(recipe, resume=resume, overwrite=overwrite)]), *login_problems(recipe)]
    notes = [*(f"before training: {problem}" for problem in before), *skipped]
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
    problems = [*missing(recipe, gpus), *login_problems(recipe), *import_problems(recipe)]
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
    return supervise(recipe, planned, start, show)


def _opening_notes(recipe: Recipe, start: Start) -> Iterator[str]:
    yield from recipe.notes
    yield from start.skipped
    if start.kept_aside:
        yield f"the evaluations of the run that was overwritten are kept in {start.kept_aside}"
    if start.checkpoint:
        yield f"continuing after step {start.checkpoint.name.split('-')[-1]} (attempt {start.attempt})"
    elif start.attempt > 1:
        yield f"no complete checkpoint in {start.run.checkpoints}; starting from the first step (attempt {start.attempt})"


def supervise(recipe: Recipe, plan: Plan, start: Start, show: Show) -> Ended:
    """Run the preparation, then training with its server beside it.

    Ctrl-C, SIGTERM and hang-up end training in order, the second time at once; a dead server or machine ends it at once.
    """
    supervision = _Supervision(recipe, start, show)
    with ExitStack() as stack:
        for number in SIGNALS:
            before = signal.signal(number, supervision.on_signal)
            stack.callback(signal.signal, number, before)
        for command in plan.before:
            ended = supervision.run(command)
            if ended.state != "finished":
                return ended
        return supervision.train(plan)


class _Supervision:
    """The processes of one start, watched until they end."""

    def __init__(self, recipe: Recipe, start: Start, show: Show) -> None:
        self._recipe, self._start, self._show = recipe, start, show
        self._machines = Machines(start.logs, rank=recipe.launch.machine_rank, count=recipe.launch.num_machines)
        self._log = start.logs / (
            "output.log" if self._recipe.launch.is_first_machine else f"output-machine-{recipe.launch.machine_rank}.log"
        )
        self._problems: list[str] = []
        self._state: str | None = None
        self._command: Command | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = self._killed = False

    def train(self, plan: Plan) -> Ended:
        """Start the server, if there is one, wait for it, and train; the server ends with training."""
        failed = "interrupted"
        server: VLLMServer | None = None
        try:
            if plan.server:
                self._show({"event": "phase", "text": "starting the vLLM server"})
                server = VLLMServer(self._recipe, plan.server, logs=self._start.logs, run=self._start.run.path)
                problem = self._wait_for(server)
                if problem or self._killed:
                    failed = problem or failed
                    return self._ended(1, problem)
            ended = self.run(plan.train, beside=server.problem if server else lambda: None)
            failed = "" if ended.state in ("finished", "stopped") else "; ".join(ended.problems) or ended.state
            return ended
        finally:
            self._machines.end(failed=bool(failed), reason=failed)
            if server:
                self._show({"event": "phase", "text": "ending the vLLM server"})
                server.end()

    def run(self, command: Command, *, beside: Callable[[], str | None] = lambda: None) -> Ended:
        """Run one command to its end; `beside` says why it should be ended at once, or None."""
        self._show({"event": "phase", "text": command.purpose})
        reason = None
        with EventTail(self._start.logs, with_pipe=self._recipe.launch.is_first_machine) as tail:
            self._command, self._process = command, run_command(command, self._log)
            process = self._process
            while process.poll() is None:
                self._show_new(tail)
                reason = beside() or self._machines.check()
                if reason or self._killed:  # a signal that came while the process was being started ended nothing
                    break
                time.sleep(POLL_SECONDS)
            self._show_new(tail)
            kill(process)  # whatever its session left behind
            self._process = None
            self._show_new(tail)
        return self._ended(process.returncode, reason if self._state is None else None)  # a finished run needs nobody

    def _ended(self, status: int, reason: str | None) -> Ended:
        """Return how it ended, from an exit status and why the launcher ended it, if something beside it failed."""
        run = self._start.run
        if self._problems:
            return Ended(run=run, state="refused", problems=tuple(self._problems))
        if self._killed:
            return Ended(run=run, state="killed")
        if self._state == "stopped" or status == STOPPED_STATUS:
            return Ended(run=run, state="stopped")
        if reason:
            return Ended(run=run, state="failed", problems=(reason,))
        if status:
            said = f"training {how_it_ended(status)}; its whole output is in {self._log}"
            return Ended(run=run, state="failed", problems=(said,), log=self._log)
        return Ended(run=run, state="finished")

    def _wait_for(self, server: VLLMServer) -> str | None:
        """Wait until the server answers; return in one line why it will not, or None."""
        started = time.monotonic()
        while not server.answers():
            problem = server.problem() or self._machines.check() or server.too_late(time.monotonic() - started)
            if problem or self._killed:
                return problem
            time.sleep(POLL_SECONDS)
        return None

    def _show_new(self, tail: EventTail) -> None:
        for event in tail.new():
            if event["event"] == "error":
                self._problems.extend(event["problems"])
            if event["event"] == "end":
                self._state = event["state"]
            self._show(event)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Ask for an orderly end; the second time, or where there is none, end at once."""
        process = self._process
        in_order = process is not None and self._command is not None and self._command.stops_in_order
        if self._asked or not in_order:
            self._killed = True
            if process is not None:
                kill(process)
            return
        self._asked = True
        (self._start.logs / STOP_FILE).touch()  # on every machine: they share the folder
        text = "stopping: saving after this step (again to stop now, back to the last checkpoint)"
        self._show({"event": "phase", "text": text})
