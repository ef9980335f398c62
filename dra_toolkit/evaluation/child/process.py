"""A process for one job: it has a session and a log of its own, tells the launcher what happens, and ends with it.

Nothing heavy is imported here: on a CPU the process is a fork of one that has imported lighteval (see `preload`), so that
this is paid once; on a GPU, whose driver does not survive a fork, it starts anew.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError

BUG, USER_MISTAKE = 1, 2
SCRUBBED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
SCRUBBED_PREFIXES = ("ACCELERATE_", "TORCHELASTIC_", "FSDP_", "DEEPSPEED_")
"""Settings of a surrounding distributed job, which an engine would take for its own."""


def run(job: Mapping[str, Any], pipe: Connection, log: Path, environment: Mapping[str, str]) -> None:
    """Do a job as a process of its own; a mistake the user can mend is told, a bug leaves its traceback in the log."""
    os.setsid()  # Ctrl-C reaches the launcher alone, which ends every job
    for name in [name for name in os.environ if name in SCRUBBED or name.startswith(SCRUBBED_PREFIXES)]:
        del os.environ[name]
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", **environment})
    silence(log)

    def tell(event: str, **facts: Any) -> None:
        pipe.send({"event": event, **facts})

    try:
        tell("phase", text="loading libraries")
        from dra_toolkit.evaluation.child.job import run_job

        run_job(job, tell, lambda: _end_with(pipe))
    except DRAError as error:
        tell("error", problems=list(error.problems))
        sys.exit(USER_MISTAKE)
    except Exception:
        import traceback

        traceback.print_exc()
        sys.exit(BUG)
    finally:
        for engine in multiprocessing.active_children():  # vLLM's, whose end this process would wait for
            engine.terminate()
            engine.join(10)
            engine.kill()  # one that has its own thoughts on signals


def silence(log: str | Path = os.devnull) -> None:
    """Have everything that this process and its libraries print go into a file."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for target in (1, 2):
        os.dup2(output, target)


def describe(dotted: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return how a named lighteval task generates, and its problems."""
    from dra_toolkit.evaluation.child import tasks

    return tasks.describe(dotted)


def _end_with(pipe: Connection) -> None:
    """End this process and all that it started when the launcher is gone, however it ended."""

    def wait() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
