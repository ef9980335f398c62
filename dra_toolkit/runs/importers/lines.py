"""JSON lines of any size, one at a time; compressed files too. A line that is no JSON object is told and left out."""

import csv
import functools
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.runs.files import parse_json
from dra_toolkit.runs.importers.rollout import Problems
from dra_toolkit.runs.parquet import version_of

PEEK = 200
"""Lines at the beginning in which an object is looked for."""
BUFFER = 4 << 20
"""Bytes of a file that are read at once: a line may be a whole step, and is put together from what each read brings."""


def objects(path: Path, problems: Problems, lines: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `file:line` and the object of each line of a JSONL file, which may be compressed with gzip or zstd.

    lines: only those at the beginning.
    """
    if path.suffix == ".csv":
        yield from ((f"{path}:{number}", row) for number, row in enumerate(_csv_rows(path), start=2))
        return
    name = str(path)
    for number, line in enumerate(islice(_lines(path, -1 if lines else BUFFER), lines), start=1):
        if line.isspace():
            continue
        where = f"{name}:{number}"
        try:
            found = parse_json(line.decode("utf-8" if number > 1 else "utf-8-sig"))
        except ValueError as error:
            end = "perhaps torn" if line.endswith(b"\n") else "the file ends in this line"
            problems.add(where, "nested too deeply to be a rollout" if "nested" in str(error) else f"not JSON: {end}")
            continue
        if isinstance(found, dict):
            yield where, found
        else:
            problems.add(where, f"a JSON {type(found).__name__}, expected an object")


def first_object(path: Path) -> dict[str, Any] | None:
    """Return the first object of a JSONL file, or None if its beginning has none; it may be shared, and is not changed."""
    return _first_object(path, version_of(path))


@functools.lru_cache(maxsize=2)  # what shows a format, its rewards, and its golds each look at the first file
def _first_object(path: Path, version: tuple[str, int, int]) -> dict[str, Any] | None:
    try:
        return next((row for _, row in objects(path, Problems(), PEEK)), None)
    except RunError:
        if path.suffix == ".csv":
            raise
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
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def _lines(path: Path, buffer: int) -> Iterator[bytes]:
    import pyarrow as pa

    kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    try:
        with io.BufferedReader(pa.input_stream(path, compression=kind)) if kind else open(path, "rb", buffer) as file:
            yield from file
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None


def columns_in(path: Path) -> dict[str, Any] | None:
    """Return the columns of a file with a value of each; None if it has no rows or cannot be read."""
    if path.suffix != ".parquet":
        return first_object(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_number = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    try:
        return {f.name: 0.0 if any(is_(f.type) for is_ in is_number) else "" for f in pq.read_schema(path)}
    except (OSError, pa.ArrowException):
        return None


def content_of(source: Path) -> str:
    """Return in a few words what a file or folder that nothing recognises holds."""
    if source.is_file():
        return f"a file {source.suffix or 'without an ending'}"
    return ", ".join(sorted(path.name for path in source.iterdir())[:5]) or "nothing"
