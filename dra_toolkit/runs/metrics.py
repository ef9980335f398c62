"""metrics.jsonl: one JSON line for each logged step."""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dra_toolkit.runs.files import parse_json, publish_text, read_text
from dra_toolkit.safe_text import first_line


def append_metrics(path: Path, *, step: int, attempt: int, values: dict[str, Any]) -> None:
    """Append one line; a line that a crash left torn is closed first, so that it cannot swallow this one."""
    row = {"step": step, "attempt": attempt, "time": round(time.time(), 3)}
    row |= {key: _plain(value) for key, value in values.items()}
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            file.write(b"\n" if file.read(1) != b"\n" else b"")
        file.write(json.dumps(row).encode() + b"\n")


def _plain(value: Any) -> Any:
    """Return the value as JSON can hold it: not-a-number and infinity are null."""
    is_number = not isinstance(value, float) or math.isfinite(value)
    return (value if isinstance(value, int | float | str | bool | None) else str(value)) if is_number else None


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows in order; a line that is torn or has no step is skipped, and so is a file that cannot be read."""
    with suppress(OSError, ValueError):
        yield from (row for row in _rows(path) if row is not None)


def unreadable_lines(path: Path) -> str | None:
    """Return in one line what of the file cannot be read; None if all can, a torn last line apart."""
    try:
        rows = list(_rows(path))
    except (OSError, ValueError) as error:
        return f"{path.name}: cannot be read ({first_line(error)})"
    count = sum(row is None for row in rows[:-1])
    return f"{path.name}: {count} lines are no rows with a step; skipped" if count else None


def _rows(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield each line's row, or None for one that is none."""
    lines = read_text(path, errors="replace").splitlines() if path.exists() else []
    for line in lines:
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        yield row if isinstance(row, dict) and type(row.get("step")) is int else None


def unjudged(values: Mapping[str, Any], verdict: str = "unreadable_gold") -> float:
    """Return the largest share of completions that a reward of a logged step did not judge; 0 where none says so."""
    shares = [value for key, value in values.items() if key.endswith(f"/{verdict}") and isinstance(value, float | int)]
    return float(max(shares, default=0.0))


def never_paid(path: Path) -> bool:
    """Return whether a run has logged steps and none of them had a reward."""
    return {row["reward"] for row in read_metrics(path) if "reward" in row} == {None}


def rewind_metrics(path: Path, *, step: int, aside: Path) -> int:
    """Before resuming at `step`, move the rows beyond it, and summaries, to the file `aside`; return how many there were."""
    rows: tuple[list[str], list[str]] = ([], [])
    for row in read_metrics(path):
        rows[row["step"] > step or "train_runtime" in row].append(json.dumps(row) + "\n")
    if rows[True]:
        publish_text(aside, "".join(rows[True]))
    publish_text(path, "".join(rows[False]))
    return len(rows[True])
