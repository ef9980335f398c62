"""JSON lines of any size, one at a time; compressed files too. A line that is no JSON object is told and left out."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.runs.importers.rollout import Problems

PEEK = 200
"""Lines at the beginning in which an object is looked for."""


def objects(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `file:line` and the object of each line of a JSONL file, which may be compressed with gzip or zstd."""
    if path.suffix == ".csv":
        yield from ((f"{path}:{number}", row) for number, row in enumerate(_csv_rows(path), start=2))
        return
    for number, line in enumerate(_lines(path), start=1):
        if line.isspace():
            continue
        where = f"{path}:{number}"
        try:
            found = json.loads(line)
        except ValueError:
            problems.add(
                where, "not JSON, perhaps torn" if line.endswith(b"\n") else "not JSON: the file ends in this line"
            )
            continue
        except RecursionError:
            problems.add(where, "nested too deeply to be a rollout")
            continue
        if isinstance(found, dict):
            yield where, found
        else:
            problems.add(where, f"a JSON {type(found).__name__}, expected an object")


def first_object(path: Path) -> dict[str, Any] | None:
    """Return the first object of a JSONL file, or None if its beginning has none."""
    if path.suffix == ".csv":
        return next(_csv_rows(path), None)
    try:
        for line in islice(_lines(path), PEEK):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return found
    except RunError:
        pass
    return None


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file; an empty cell is no value."""
    csv.field_size_limit(1 << 27)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                yield {key: value or None for key, value in row.items() if key is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: cannot be read as CSV ({error})") from None


def jsonl_files(source: Path, pattern: str = "*.jsonl") -> list[Path]:
    """Return the files of a folder that match, numbers in their names in order of size; or the file itself."""
    if source.is_file():
        return [source]
    found = {path for suffix in ("", ".gz", ".zst") for path in source.glob(pattern + suffix) if path.is_file()}
    return sorted(found, key=natural)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Return what sorts `step_10` after `step_9`."""
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _lines(path: Path) -> Iterator[bytes]:
    import pyarrow as pa

    try:
        if path.suffix in (".gz", ".zst"):
            with pa.input_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}[path.suffix]) as stream:
                yield from _split(stream)
            return
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None


def _split(stream: Any) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
