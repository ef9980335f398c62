"""metrics.jsonl: one JSON line for each logged step."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dra_toolkit.runs.files import publish_text


def append_metrics(path: Path, *, step: int, attempt: int, values: dict[str, Any]) -> None:
    """Append one line; a line that a crash left torn is closed first, so that it cannot swallow this one."""
    row = {"step": step, "attempt": attempt, "time": round(time.time(), 3)}
    row |= {key: _plain(value) for key, value in values.items()}
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
            file.write(b"\n" if torn else b"")
        file.write(json.dumps(row).encode() + b"\n")


def _plain(value: Any) -> Any:
    """Return the value as JSON can hold it: not-a-number and infinity are null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows in order; a torn line is skipped."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            yield row


def rewind_metrics(path: Path, *, step: int, aside: Path) -> int:
    """Before resuming at `step`, move the rows beyond it to the file `aside`, and return how many there were."""
    rows = list(read_metrics(path))
    beyond = [row for row in rows if row["step"] > step]
    if beyond:
        publish_text(aside, "".join(json.dumps(row) + "\n" for row in beyond))
    publish_text(path, "".join(json.dumps(row) + "\n" for row in rows if row["step"] <= step))
    return len(beyond)
