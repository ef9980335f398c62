"""Labelled texts from a JSONL or Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.inspection.audit.samples import LabelledGroup, chosen, known
from dra_toolkit.safe_text import first_line

GROUP_COLUMNS = ("group", "prompt")
"""Which column groups the texts where none is named: the first of these that the first row has."""
LARGEST = 2_000
"""Texts in one group at most: every pair of them is compared."""
ENDINGS = (".jsonl", ".parquet")


def from_file(
    path: Path, *, text: str = "text", label: str = "label", group: str | None = None, groups: int = 200, seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` groups of a file with a row for each text, chosen at random.

    text, label, group: names of the columns. Rows of equal `group` are compared with each other; None takes the first of
    `GROUP_COLUMNS` that is there, and all rows as one group if there is none. Raises RunError, naming file and row, for a
    file that cannot be read so.
    """
    if path.suffix not in ENDINGS:
        raise RunError(f"{path}: found the ending {path.suffix!r}, expected one of {', '.join(ENDINGS)}")
    by_group: dict[str, list[tuple[str, Any]]] = {}
    for number, row in _rows(path, text, label, group):
        if not by_group and group is None:
            group = next((name for name in GROUP_COLUMNS if name in row), None)
        for name in (text, label) if group is None else (text, label, group):
            if name not in row:
                near = did_you_mean(name, row)
                raise RunError(f"{path}: row {number}: no column {name!r}{near}; has {', '.join(map(str, row))}")
        if not isinstance(row[text], str):
            raise RunError(f"{path}: row {number}: {text} is of type {type(row[text]).__name__}, expected a text")
        key = "" if group is None else json.dumps(row[group], sort_keys=True, default=str)
        by_group.setdefault(key, []).append((row[text], row[label]))
    if not by_group:
        raise RunError(f"{path}: holds no row")
    largest = max(map(len, by_group.values()))
    if largest > LARGEST:
        how = f"of equal {group}" if group else "and no column that groups them; name it with --group-column"
        raise RunError(f"{path}: {largest:,} texts {how}: every pair of a group is compared, at most {LARGEST:,} texts")
    keys = list(by_group)
    return [_group(by_group[keys[i]]) for i in chosen(len(keys), groups, seed)]


def _group(rows: Sequence[tuple[str, Any]]) -> LabelledGroup:
    return LabelledGroup(
        texts=tuple(text for text, _ in rows),
        labels=tuple(known(label) for _, label in rows),
        lengths=tuple(len(text.split()) for text, _ in rows),
        unit="words",
    )


def _rows(path: Path, *names: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows with their numbers; of a Parquet file only columns that may be asked for, and the names of all."""
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, {*names, *GROUP_COLUMNS})
        return
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None


def _parquet_rows(path: Path, wanted: set[str | None]) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            others = dict.fromkeys(name for name in there if name not in wanted)
            number = 0
            for batch in file.iter_batches(columns=[name for name in there if name in wanted]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {**row, **others}
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: cannot be read ({first_line(error)})") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise RunError(f"{path}:{number}: not JSON") from None
    if not isinstance(row, dict):
        raise RunError(f"{path}:{number}: a JSON {type(row).__name__}, expected an object")
    return row
