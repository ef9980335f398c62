"""Tell the launcher, and anybody else who follows the log folder, how training goes: events.jsonl, a line each."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Events:
    """Appends one JSON object per event; silent on every process but the main one."""

    def __init__(self, path: Path, *, enabled: bool = True) -> None:
        self._path = path if enabled else None

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event: `phase`, `notice`, `step`, `saved`, `error` or `end`, with its facts."""
        if self._path is None:
            return
        line = json.dumps({"event": event, "time": round(time.time(), 3), **facts})
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:
            print(line, flush=True)  # no room for the event: the process's own log may still take it

    def notice(self, text: str) -> None:
        """Tell the user one line."""
        self.tell("notice", text=text)
