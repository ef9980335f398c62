"""Tell the launcher how an evaluation goes: a JSON line for each event."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.results.json_lines import append_line

PROGRESS_SECONDS = 0.3


class Events:
    """Appends events to a file; the events of progress not more often than one can watch."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._last = 0.0

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event: phase, notice, progress, evaluated or error, with its facts."""
        with contextlib.suppress(OSError):  # a full disk shows where it matters, in the answers
            append_line(self._file, {"event": event, "time": round(time.time(), 3), **facts})

    def progress(self, benchmark: str, done: int, of: int) -> None:
        """Say how many answers of a benchmark are there."""
        if done >= of or time.monotonic() - self._last >= PROGRESS_SECONDS:
            self._last = time.monotonic()
            self.tell("progress", benchmark=benchmark, done=done, of=of)
