"""What a training process says: events.jsonl for the launcher and whoever follows it, a line each, and what it prints."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
            with open(descriptor, "wb", buffering=0) as pipe:
                pipe.write(line.encode() + b"\n")

    def notice(self, text: str) -> None:
        """Tell the user one line."""
        self.tell("notice", text=text)


def tolerate_lost_output() -> None:
    """Drop what this process prints where its file cannot take it (a full disk, a closed pipe): it must never end it."""
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.write, stream.flush = _tolerant(stream.write, stream.flush), _tolerant(stream.flush, stream.flush)


def _tolerant(method: Callable[..., Any], flush: Callable[[], Any]) -> Callable[..., Any]:
    def tried(*arguments: Any) -> Any:
        with contextlib.suppress(OSError):
            found = method(*arguments)
            flush()
            return found

    return tried
