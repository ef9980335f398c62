"""Data on this machine: the file that training reads of them, its rows, and the values of a column."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.check_data import DATA_SUFFIXES
from dra_toolkit.safe_text import first_line


def training_file(path: Path) -> Path | None:
    """Return the file of local data that training reads: the path, or the only fitting one in its folder."""
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.suffix in DATA_SUFFIXES) if path.is_dir() else []
    named = [file for file in files if "train" in file.name]
    return (named or files)[0] if len(named or files) == 1 else None


def column_values(path: Path, column: str) -> list[Any]:
    """Return the values of a column, which may be named with dots, of all rows that have any; [] for another format."""
    try:
        rows = list(read_rows(path))
    except ValueError as error:
        raise RecipeError(f"dataset_name: {path} cannot be read ({first_line(error)})") from None
    if column not in (rows[0] if rows else {}) and "." not in column:
        return []
    return [_reached(row, column) for row in rows]


def read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a Parquet, CSV, JSON or JSONL file; raises OSError and ValueError."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    else:
        with open(path, encoding="utf-8-sig") as file:
            if path.suffix == ".json":
                found = json.load(file)
                yield from found if isinstance(found, list) else []
            else:
                yield from (json.loads(line) for line in file if line.strip())


def _reached(row: Mapping[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    value: Any = row
    for key in column.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
