"""Which columns data have, as far as their files on this machine show it."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def data_columns(path: Path) -> list[str]:
    """Return the columns of a JSONL, CSV or Parquet file by its beginning; none where they cannot be told.

    What lies in an object is named with dots, after it. Raises UnicodeDecodeError for a text that is not UTF-8.
    """
    if not os.path.isfile(path):
        return []
    if path.suffix == ".parquet":
        return _parquet_columns(path)
    if path.suffix not in (".jsonl", ".csv"):
        return []
    with open(path, encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            return next(csv.reader(file), [])
        rows = (_names(_row(line)) for line in file if line.strip())
        return list(dict.fromkeys(key for row, _ in zip(rows, range(100), strict=False) for key in row))


def _row(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _names(row: Any, before: str = "") -> Iterator[str]:
    for key, value in row.items() if isinstance(row, dict) else ():
        yield f"{before}{key}"
        yield from _names(value, f"{before}{key}.")


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def fields(of: Any) -> dict[str, Any]:
        return {field.name: fields(field.type) if pa.types.is_struct(field.type) else None for field in of}

    try:
        return list(_names(fields(pq.read_schema(path))))
    except (OSError, pa.ArrowException):
        return []  # told by whoever reads its rows
