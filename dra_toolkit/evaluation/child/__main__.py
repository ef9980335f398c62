"""One slot: `python -m dra_toolkit.evaluation.child`, with the paths of job files on standard input, a line each.

The libraries are imported once; every job then runs in a fork of its own, so that a checkpoint that fails, or fills the
memory, takes nothing along. On a GPU, whose driver does not survive a fork, every job is a process from the start
(DRA_EVALUATION_FORK=0). `JOB.status` says how a job ended: 0, 2 for a mistake the user can mend (told as an event),
anything else is a bug whose traceback is in the job's output.log. With arguments it does one thing and ends: a job file,
or `describe DOTTED_PATH OUTPUT`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from dra_toolkit.errors import DRAError

FINISHED, BUG, USER_MISTAKE = 0, 1, 2
LOOK_SECONDS = 0.05
FORK = "DRA_EVALUATION_FORK"


def main(arguments: list[str]) -> int:
    """Serve jobs, or do the one thing that the arguments say."""
    if not arguments:
        return serve()
    if arguments[0] == "describe":
        output = Path(arguments[2])
        return guarded(output.with_suffix(".events.jsonl"), lambda: _describe(arguments[1], output))
    if os.environ.get(FORK) == "0":
        from dra_toolkit.evaluation.child.scoring import die_with

        die_with(os.getppid())
    return _run(Path(arguments[0]))


def serve() -> int:
    """Run one job after the other until standard input ends; what still runs is then killed."""
    forks = os.environ.get(FORK, "1") != "0"
    if forks:
        preload()
    for path in _lines():
        status = _wait(_forked(path) if forks else _spawned(path))
        temporary = path.with_suffix(".status.tmp")
        temporary.write_text(json.dumps({"status": status}), encoding="utf-8")
        os.replace(temporary, path.with_suffix(".status"))
    return 0


def preload() -> None:
    """Import what every job needs; nothing is computed, so that no thread exists when a job is forked."""
    from dra_toolkit.evaluation.child import shims

    shims.apply()
    import lighteval.pipeline  # noqa: F401
    import transformers.models.qwen2  # noqa: F401

    from dra_toolkit.evaluation.child import job, metric, model, scoring, tasks, transformers_engine  # noqa: F401


def guarded(events: Path, do: Callable[[], None]) -> int:
    """Do something; a user's mistake is told as an event, a bug keeps its traceback."""
    from dra_toolkit.evaluation.child.events import Events

    try:
        do()
    except DRAError as error:
        Events(events).tell("error", problems=list(error.problems))
        return USER_MISTAKE
    except Exception:
        import traceback

        traceback.print_exc()
        return BUG
    return FINISHED


def _run(path: Path) -> int:
    def do() -> None:
        from dra_toolkit.evaluation.child.job import run_job

        run_job(path)

    return guarded(path.parent / "events.jsonl", do)


def _describe(dotted: str, output: Path) -> None:
    from dra_toolkit.evaluation.child import shims

    shims.apply()
    from dra_toolkit.evaluation.child.tasks import describe

    describe(dotted, output)


def _lines() -> Iterator[Path]:
    for line in iter(sys.stdin.readline, ""):
        yield Path(line.rstrip("\n"))


def _wait(pid: int) -> int:
    """Return how a job ended; kill it if nobody listens any more."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        ready, _, _ = select.select([sys.stdin], [], [], LOOK_SECONDS)
        if ready and not _peek():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os._exit(BUG)


def _peek() -> bool:
    """Return whether standard input is still open; jobs are sent one at a time, so nothing waits in it."""
    return bool(os.read(sys.stdin.fileno(), 1))


def _spawned(path: Path) -> int:
    """Start a job as a process from the start, with its own log; return its process id."""
    with open(path.parent / "output.log", "ab") as log:
        command = [sys.executable, "-P", "-m", "dra_toolkit.evaluation.child", str(path)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).pid


def _forked(path: Path) -> int:
    """Run a job in a forked process, with its own log; return its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    from dra_toolkit.evaluation.child.scoring import die_with

    status = BUG
    try:
        die_with(parent)
        log = os.open(path.parent / "output.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, target)
        status = _run(path)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
