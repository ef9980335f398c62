"""The events of an attempt, read while it runs."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dra_toolkit.runs.layout import EVENTS_PIPE


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
