"""Compaction beside a training: a thread of its own, so that recording never waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.runs.compaction import FILES, CompactionStoppedError, compact

LOOK_EVERY = FILES // 4
"""Files written between two looks whether something is due."""


class Compactor:
    """Compacts a folder of groups whenever enough has been written; trouble is told once and never raised."""

    def __init__(self, folder: Path, *, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._written = 0
        self._failed = False
        self._wanted, self._stop = threading.Event(), threading.Event()
        self._wanted.set()  # an earlier attempt may have left something to do
        self._thread = threading.Thread(target=self._work, name="dra-compactor", daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Count one more file; returns at once."""
        self._written += 1
        if self._written % LOOK_EVERY == 0:
            self._wanted.set()

    def close(self) -> None:
        """Stop; a segment that is being made is given up, nothing is lost by it."""
        self._stop.set()
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stop.is_set():
                return
            try:
                compact(self._folder, stopped=self._stop.is_set)
                self._failed = False
            except CompactionStoppedError:
                return
            except (OSError, RunError, ValueError) as error:
                self._say(error)

    def _say(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._tell(f"recording: {self._folder} cannot be compacted ({why}); its files stay as they are")
