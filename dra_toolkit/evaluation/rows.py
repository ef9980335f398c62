"""Read the rows of a JSON Lines or Parquet file that a user gives; every mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.outcomes import EvaluationError
from dra_toolkit.safe_text import first_line


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a .jsonl or .parquet file."""
    return _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def _json_rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: cannot be read as text ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"{path}: line {number} is no JSON ({error})") from None
        if not isinstance(row, dict):
            raise EvaluationError(
                f"{path}: line {number} is {line[:40]!r}, expected an object with a problem and an answer"
            )
        rows.append(row)
    return rows


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
    return rows
