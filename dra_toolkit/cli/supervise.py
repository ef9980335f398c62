"""Run the commands of a start one after the other, show their events, and end them in order when asked."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from dra_toolkit.cli.follow import EventTail
from dra_toolkit.cli.progress import Display
from dra_toolkit.launch import Command, Start, ask_to_stop, kill, run_command

POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the commands ended."""

    status: int
    """Exit status of the last one that ran."""
    problems: tuple[str, ...] = ()
    """Mistakes of the user that it told, a line each."""
    killed: bool = False
    """Whether it was ended at once because the user asked."""


def supervise(commands: Sequence[Command], start: Start, display: Display) -> Outcome:
    """Run the commands until one fails; Ctrl-C, SIGTERM and hang-up end the running one, in order if it knows how."""
    outcome = Outcome(status=0)
    for command in commands:
        display.show({"event": "phase", "text": command.purpose})
        outcome = _Supervision(command, start, display).run()
        if outcome.status or outcome.killed:
            break
    return outcome


class _Supervision:
    """One running command."""

    def __init__(self, command: Command, start: Start, display: Display) -> None:
        self._command, self._start, self._display = command, start, display
        self._problems: list[str] = []
        self._asked = self._killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> Outcome:
        """Run it to its end."""
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            with EventTail(self._start.logs) as tail:
                self._process = process = run_command(self._command, self._start.logs / "output.log")
                while process.poll() is None:
                    self._show_new(tail)
                    time.sleep(POLL_SECONDS)
                self._show_new(tail)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        kill(process)  # whatever its session left behind
        return Outcome(status=process.returncode, problems=tuple(self._problems), killed=self._killed)

    def _show_new(self, tail: EventTail) -> None:
        for event in tail.new():
            if event["event"] == "error":
                self._problems.extend(event["problems"])
            self._display.show(event)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Ask for an orderly end; the second time, or where there is none, end at once."""
        if self._process is None:
            return
        if self._asked or not self._command.stops_in_order:
            self._killed = True
            kill(self._process)
            return
        self._asked = True
        ask_to_stop(self._start)
        text = "stopping: saving after this step (again to stop now, back to the last checkpoint)"
        self._display.show({"event": "phase", "text": text})
