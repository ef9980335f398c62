"""CSV for spreadsheets: one completion in a row, without what is a list, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any, BinaryIO

from dra_toolkit.inspection.export.writers import Tables

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide forms count in some locales
"""What a spreadsheet takes for the beginning of a formula, or skips to find one."""
LEFT_OUT = ("similarity", "embedding")


def write_csv(tables: Tables, file: BinaryIO) -> int:
    """Write a header and the rows; return how many."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=True)
    writer = csv.writer(text)
    written, header = 0, None
    for table in tables:
        for row in table.to_pylist():
            cells = _flat(row)
            if header is None:
                header = list(cells)
                writer.writerow(map(cell, header))
            writer.writerow(cell(cells[name]) for name in header)
            written += 1
    text.flush()
    text.detach()
    return written


def cell(value: Any) -> str | int | float:
    """Return a value as a cell: a number as it is, a text that would begin a formula with an apostrophe before it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool | int | float):
        return int(value) if isinstance(value, bool) else value
    text = str(value).replace("\0", "\u2400")  # a zero byte ends the cell, or the file, for many readers
    return f"'{text}" if text.startswith(FORMULA) else text


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without lists: a prompt as text, each reward as a column of its own."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if name in LEFT_OUT:
            continue
        if name == "prompt":
            cells[name] = "\n".join(f"{message['role']}: {message['content']}" for message in value or [])
        elif name in ("turns", "prompt_turns"):
            cells[name] = None if value is None else json.dumps(value, ensure_ascii=False)
        elif name == "rewards":
            cells |= {f"reward:{reward}": number for reward, number in (value or {}).items()}
        else:
            cells[name] = value
    return cells
