"""Run what a plan says, show its events, end it in order when asked, and at once when a part of it fails."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType
from typing import Any

from dra_toolkit.launch.command import Command, how_it_ended, kill, run_command
from dra_toolkit.launch.follow import EventTail
from dra_toolkit.launch.machines import Machines
from dra_toolkit.launch.plan import Plan
from dra_toolkit.launch.start import Start, ask_to_stop
from dra_toolkit.launch.vllm_server import VLLMServer, start_server
from dra_toolkit.recipe import Recipe

POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Show = Callable[[dict[str, Any]], None]
"""Shows an event to whoever waits in front of the terminal."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it ended."""

    status: int
    """Exit status of the last command that ran."""
    problems: tuple[str, ...] = ()
    """Mistakes of the user that it told, a line each."""
    killed: bool = False
    """Whether it was ended at once because the user asked."""
    stopped: bool = False
    """Whether it saved and stopped as asked."""
    reason: str | None = None
    """Why the launcher ended it, if something beside it failed."""


def supervise(recipe: Recipe, plan: Plan, start: Start, show: Show) -> Outcome:
    """Run the preparation, then training with its server beside it.

    Ctrl-C, SIGTERM and hang-up end training in order, the second time at once; a dead server or machine ends it at once.
    """
    supervision = _Supervision(recipe, start, show)
    with ExitStack() as stack:
        for number in SIGNALS:
            before = signal.signal(number, supervision.on_signal)
            stack.callback(signal.signal, number, before)
        outcome = Outcome(status=0)
        for command in plan.before:
            outcome = supervision.run(command)
            if outcome.status or outcome.killed or outcome.reason:
                return outcome
        return supervision.train(plan)


class _Supervision:
    """The processes of one start, watched until they end."""

    def __init__(self, recipe: Recipe, start: Start, show: Show) -> None:
        self._recipe, self._start, self._show = recipe, start, show
        self._machines = Machines(start.logs, rank=recipe.launch.machine_rank, count=recipe.launch.num_machines)
        self._log = start.logs / (
            "output.log" if self._is_first else f"output-machine-{recipe.launch.machine_rank}.log"
        )
        self._problems: list[str] = []
        self._state: str | None = None
        self._command: Command | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = self._killed = False

    @property
    def _is_first(self) -> bool:
        return bool(self._recipe.launch.machine_rank == 0)

    def train(self, plan: Plan) -> Outcome:
        """Start the server, if there is one, wait for it, and train; the server ends with training."""
        failed = "interrupted"
        server: VLLMServer | None = None
        try:
            if plan.server:
                self._show({"event": "phase", "text": "starting the vLLM server"})
                server = start_server(self._recipe, plan.server, logs=self._start.logs, run=self._start.run.path)
                problem = self._wait_for(server)
                if problem or self._killed:
                    failed = problem or failed
                    return Outcome(status=1, killed=self._killed, reason=problem)
            outcome = self.run(plan.train, beside=server.problem if server else lambda: None)
            failed = "" if outcome.status == 0 or outcome.stopped else outcome.reason or how_it_ended(outcome.status)
            return outcome
        finally:
            self._machines.end(failed=bool(failed), reason=failed)
            if server:
                self._show({"event": "phase", "text": "ending the vLLM server"})
                server.end()

    def run(self, command: Command, *, beside: Callable[[], str | None] = lambda: None) -> Outcome:
        """Run one command to its end; `beside` says why it should be ended at once, or None."""
        self._show({"event": "phase", "text": command.purpose})
        reason = None
        with EventTail(self._start.logs, with_pipe=self._is_first) as tail:
            self._command, self._process = command, run_command(command, self._log)
            process = self._process
            while process.poll() is None:
                self._show_new(tail)
                reason = beside() or self._machines.check()
                if reason:
                    break
                time.sleep(POLL_SECONDS)
            self._show_new(tail)
            kill(process)  # whatever its session left behind
            self._process = None
            self._show_new(tail)
        return Outcome(
            status=process.returncode,
            problems=tuple(self._problems),
            killed=self._killed,
            stopped=self._state == "stopped",
            reason=reason if self._state is None else None,  # what fails beside a finished run does not matter
        )

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
        ask_to_stop(self._start)
        text = "stopping: saving after this step (again to stop now, back to the last checkpoint)"
        self._show({"event": "phase", "text": text})
