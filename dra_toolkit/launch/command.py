"""A process to start: its command, its environment, how it is started and how it is ended."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import LaunchError

AGENT_PATIENCE = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"
"""Seconds that torch's agent, with which accelerate starts ranks, leaves them to end after a signal to it; by itself 30."""
LAUNCHER = "DRA_LAUNCHER"
"""Process id of the launcher, in the environment of all that trains under it."""
END_SECONDS = 10.0
STOP_SECONDS = 24 * 3600
"""Longer than any step: a signal to every process of a job must not end the ranks before they have agreed and saved."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One process to start."""

    purpose: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """What is set beyond the environment of the launcher."""
    stops_in_order: bool = True
    """Whether it heeds the stop file."""

    def __str__(self) -> str:
        """Return the command as one would type it."""
        return shlex.join([*(f"{name}={value}" for name, value in self.environment.items()), *self.argv])


def run_command(command: Command, log: Path, *, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, printing to `log`, `before` put before its arguments; raises LaunchError."""
    environment = {AGENT_PATIENCE: str(STOP_SECONDS), **os.environ, **command.environment}
    environment |= {} if before else {LAUNCHER: str(os.getpid())}  # a guard looks after what is its own
    environment["PYTHONSAFEPATH"] = "1"  # a json.py that lies in the working folder is not run
    try:
        with open(log, "ab") as output:
            return subprocess.Popen(
                (*before, *command.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the launcher alone, which asks for an orderly end
            )
    except OSError as error:
        raise LaunchError(f"{command.argv[0]} cannot be started ({error.strerror})") from None


def kill(process: subprocess.Popen[bytes], *, patience: float = 0.0) -> None:
    """End a started command and all of its family and session, also when it is dead; SIGTERM comes first with patience."""
    import psutil

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)  # ranks live in sessions of their own
    if patience and process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # what lost its parent has a group of its own, or, as the ranks of a dead agent, a session of its own
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            member = psutil.Process(pid)
            if os.getsid(pid) == process.pid or member.environ().get(LAUNCHER) == str(os.getpid()):
                family.append(member)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    psutil.wait_procs(family, timeout=END_SECONDS)  # until then they still hold the run


def how_it_ended(status: int) -> str:
    """Return a process's exit status in words: `ended by signal 9`, `ended with status 1`."""
    return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
