"""What a launcher watches while an attempt runs: its events, and the other machines that train with it."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dra_toolkit.launch.start import JOIN_SECONDS
from dra_toolkit.runs.files import publish_text
from dra_toolkit.runs.layout import EVENTS_PIPE

BEAT_SECONDS = 5.0
SILENT_SECONDS = 120.0


class EventTail:
    """Yields the events since the last look, from the events file and, when the disk is full, from the pipe beside it.

    Opened before the processes start: they find the pipe there. A line still being written waits for the next look.
    """

    def __init__(self, logs: Path, *, with_pipe: bool = True) -> None:
        """Follow the attempt whose log folder is `logs`; a pipe joins processes of one machine only."""
        self._with_pipe = with_pipe
        self._path = logs / "events.jsonl"
        self._pipe_path = logs / EVENTS_PIPE
        self._position = 0
        self._from_pipe = b""

    def __enter__(self) -> Self:
        self._pipe: int | None = None
        if not self._with_pipe:
            return self
        with contextlib.suppress(OSError):  # a file system without named pipes: events come by the file alone
            os.mkfifo(self._pipe_path, 0o600)
            self._pipe = os.open(self._pipe_path, os.O_RDONLY | os.O_NONBLOCK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe_path.unlink(missing_ok=True)

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield the new events."""
        for line in (*self._file_lines(), *self._pipe_lines()):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                yield event

    def _file_lines(self) -> list[bytes]:
        data = b""
        with contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        return whole.splitlines()

    def _pipe_lines(self) -> list[bytes]:
        if self._pipe is None:
            return []
        with contextlib.suppress(BlockingIOError):
            self._from_pipe += os.read(self._pipe, 65536)
        *whole, self._from_pipe = self._from_pipe.split(b"\n")
        return whole


class Machines:
    """This machine's word to the others, through the run directory that they share; nothing at all on a single machine.

    Each launcher keeps `logs/attempt-N/machine-K.json` alive: a beat that counts up, and how its share ended. A machine
    that ends early, or falls silent, ends the others in bounded time; a collective that waits for it hangs for much longer.
    """

    def __init__(self, logs: Path, *, rank: int, count: int) -> None:
        self._logs, self._rank = logs, rank
        self._others = [other for other in range(count) if other != rank]
        self._beat, self._next_beat = 0, 0.0
        now = time.monotonic()
        self._heard: dict[int, tuple[str | None, float]] = dict.fromkeys(self._others, (None, now))

    def check(self) -> str | None:
        """Say that this machine lives, and return in one line why it should not go on alone, or None."""
        if not self._others or time.monotonic() < self._next_beat:
            return None
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self._say("running")
        return next((problem for other in self._others if (problem := self._problem(other))), None)

    def end(self, *, failed: bool, reason: str = "") -> None:
        """Say how this machine's share ended."""
        if self._others:
            self._say("failed" if failed else "ended", reason)

    def _say(self, state: str, reason: str = "") -> None:
        self._beat += 1
        word = {"state": state, "beat": self._beat, "reason": reason}
        publish_text(self._logs / f"machine-{self._rank}.json", json.dumps(word) + "\n")

    def _problem(self, other: int) -> str | None:
        word, since = self._heard[other]
        found: str | None = None
        with contextlib.suppress(OSError):
            found = (self._logs / f"machine-{other}.json").read_text(encoding="utf-8")
        if found != word:
            word, since = found, time.monotonic()
            self._heard[other] = (word, since)
        said = {"state": "absent"} if word is None else json.loads(word)
        if said["state"] == "failed":
            return f"machine {other} failed: {said['reason']}"
        silences = {
            "absent": (JOIN_SECONDS, f"has not joined; start `dra train` with machine_rank={other}"),
            "running": (SILENT_SECONDS, "has fallen silent"),
        }
        limit, problem = silences.get(said["state"], (float("inf"), ""))
        return f"machine {other} {problem} (waited {limit:g} s)" if time.monotonic() - since > limit else None
