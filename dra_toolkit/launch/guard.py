"""Run a command until its launcher is gone and nobody trains in the run any more, then end it:

    python -m dra_toolkit.launch.guard RUN -- COMMAND...

A server outlives a launcher that was killed; this keeps it from holding its GPU for ever. While a training process still
holds the run, which after the launcher's death saves a checkpoint and ends, the server stays. What a dead server leaves
behind, such as the process that holds its GPU, is ended too.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from dra_toolkit.launch.command import kill
from dra_toolkit.runs.layout import RunDirectory

LOOK_SECONDS = 1.0
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    run, command = RunDirectory(Path(arguments[0])), arguments[2:]
    launcher = os.getppid()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)  # of the guard's session
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    with contextlib.suppress(OSError, AttributeError):  # become the parent of what a dead child leaves behind, on Linux
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        while True:
            try:
                return process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if os.getppid() != launcher and not run.is_held():
                    kill(process, patience=10.0)
                    return 1
    finally:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
