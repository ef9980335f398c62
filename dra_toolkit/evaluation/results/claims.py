"""Shards of an evaluation, each claimed by one process, so that any number of them on any machines work side by side.

A claim is a lock on a file of the shard, which the system lets go of when its process dies, however it dies. Each process
writes to files of its own, and the answers of equal seeds are equal: on a shared disk whose locks do not reach other
machines a shard may be done twice, and nothing else happens.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

from dra_toolkit.runs.files import json_object

FOLDER = "claims"
SHARD = 64
"""Answers in a shard."""
PUBLISH, PRESENT = "publish", "present"
"""Claimed by the process that puts the finished answers together; and by one that is about to take shards."""
_STARTED = time.time_ns()
T = TypeVar("T")


def shards(samples: Sequence[T]) -> dict[str, Sequence[T]]:
    """Return samples in shards, by name; the same for every process."""
    return {f"{at // SHARD:05}": samples[at : at + SHARD] for at in range(0, len(samples), SHARD)}


def writer() -> str:
    """Return what names the files of this process alone."""
    return f"{socket.gethostname()}-{os.getpid()}-{_STARTED}"


class Claims:
    """The claims on one evaluation, as one process sees them."""

    def __init__(self, evaluation: Path) -> None:
        self.folder = evaluation / FOLDER
        self._mine: dict[str, TextIO] = {}

    def take(self, name: str) -> bool:
        """Claim a shard; False where it is done, or another process has it."""
        file = self._file(name)
        if not _lock(file, fcntl.LOCK_EX) or self.is_done(name):
            file.close()
            return False
        self._mine[name] = file
        return True

    def done(self, name: str, facts: dict[str, Any]) -> None:
        """Say that every answer of a shard is there and scored, without a sync, as they are; facts: what that took."""
        written = self.folder / f".{writer()}-{name}"
        written.write_text(json.dumps(facts))
        written.rename(self.folder / f"{name}.done")
        self.release(name)

    def release(self, name: str) -> None:
        """Let go of a shard."""
        if name in self._mine:
            self._mine.pop(name).close()

    def is_done(self, name: str) -> bool:
        """Return whether every answer of a shard is there."""
        return (self.folder / f"{name}.done").is_file()

    def facts(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return what the shards took that are done."""
        return [json_object(self.folder / f"{name}.done") for name in names if self.is_done(name)]

    def open(self, names: Iterable[str]) -> int:
        """Return how many shards, or else the putting together, a further process could take."""
        left = [name for name in names if not self.is_done(name)]
        return sum(not self._is_taken(name) for name in left or [PUBLISH])

    def is_worked_on(self) -> bool:
        """Return whether a process has any claim here."""
        return any(self._is_taken(path.stem) for path in self.folder.glob("*.claim"))

    def _file(self, name: str) -> TextIO:
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # by a process that finished the evaluation and deleted the folder
                return open(self.folder / f"{name}.claim", "a")

    def _is_taken(self, name: str) -> bool:
        with suppress(OSError), open(self.folder / f"{name}.claim") as file:
            return not _lock(file, fcntl.LOCK_SH)
        return False


def _lock(file: TextIO, kind: int) -> bool:
    with suppress(OSError):
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    return False
