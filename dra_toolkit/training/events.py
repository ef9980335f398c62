"""What a training process says: events.jsonl for the launcher and whoever follows it, a line each, and what it prints."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from dra_toolkit.runs.layout import EVENTS_PIPE


class Events:
    """Appends one JSON object per event; silent on every process but the main one."""

    def __init__(self, path: Path, *, enabled: bool = True) -> None:
        self._path = path if enabled else None

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event: `phase`, `notice`, `step`, `evaluation`, `saved`, `error` or `end`, with its facts."""
        if self._path is None:
            return
        line = json.dumps({"event": event, "time": round(time.time(), 3), **facts})
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:
            self._tell_by_pipe(line)  # a full disk must not keep the launcher from hearing of it

    def _tell_by_pipe(self, line: str) -> None:
        assert self._path is not None
        with contextlib.suppress(OSError):  # no pipe, or nobody who reads it
            descriptor = os.open(self._path.with_name(EVENTS_PIPE), os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)

    def notice(self, text: str) -> None:
        """Tell the user one line."""
        self.tell("notice", text=text)


class TolerantStream:
    """A text stream that drops what its file cannot take (a full disk, a closed pipe) instead of raising."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tolerate_lost_output() -> None:
    """Make standard output and error of this process tolerant: what it prints must never end it."""
    sys.stdout, sys.stderr = TolerantStream(sys.stdout), TolerantStream(sys.stderr)
