"""Rows that are kept as they come, in a JSON Lines file that a crash can tear only at its end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Sample = tuple[str, int]
"""A problem's id and the number of the sample, from 0."""


class SampleRows:
    """One row for each sample, appended as it is there and read back after an interruption; the last row counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[Sample, dict[str, Any]] = {}
        for row in read_lines(path):
            if isinstance(row.get("problem"), str) and isinstance(row.get("sample"), int):
                self.rows[row["problem"], row["sample"]] = row
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if _is_torn(path):
            os.write(self._file, b"\n")

    def add(self, row: Mapping[str, Any]) -> None:
        """Append the row of one sample."""
        append_line(self._file, row)
        self.rows[row["problem"], row["sample"]] = dict(row)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _is_torn(path: Path) -> bool:
    """Return whether a file ends inside a line."""
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def append_line(descriptor: int, row: Mapping[str, Any]) -> None:
    """Append one JSON line to an open file in a single write, so that a crash can tear the last line only."""
    os.write(descriptor, (json.dumps(row) + "\n").encode("utf-8", "backslashreplace"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a JSON Lines file; what a crash has torn is left out, an absent file has none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    rows = []
    for line in content.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
