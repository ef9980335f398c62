"""Exported rows, with one schema for all batches of a selection: JSON lines, CSV, Parquet, or a folder for `datasets`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run
from dra_toolkit.runs.schema import COLUMNS, OPTIONAL, arrow_schema
from dra_toolkit.runs.segments import with_columns

if TYPE_CHECKING:
    import pyarrow as pa


Tables = Iterator["pa.Table"]
CARD = "README.md"
ROWS = 8_192
BYTES = 32 << 20
"""A row group of Parquet ends with so many rows, or bytes, whichever comes first."""


def export_schema(run: Run, selection: Selection) -> pa.Schema:
    """Return the columns of an export: those of the recorded rows, in types that every reader of Parquet knows."""
    import pyarrow as pa

    facts = [one for mode in selection.modes for one in run.facts(mode)]
    weights = {name: 1.0 for one in facts for name in one.reward_weights}
    fields = arrow_schema(replace(facts[0], reward_weights=weights), optional=frozenset(OPTIONAL))
    half, single = pa.list_(pa.float16()), pa.list_(pa.float32())
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in fields]
    return pa.schema(zip(fields.names, (single if kind == half else kind for kind in kinds), strict=True))


def rows(run: Run, selection: Selection, schema: pa.Schema) -> Tables:
    """Yield the chosen rows of each generation batch with the columns of the schema; what a batch lacks is null."""
    for _, table in selection.tables(run):
        yield with_columns(table, schema)


def write_jsonl(tables: Tables, file: BinaryIO) -> int:
    """Write a line for each row; return how many. What is not a finite number is null.

    Only ASCII is written, the rest as escapes, so that no text acts on a terminal that the file is printed to.
    """
    written = 0
    for table in tables:
        for row in table.to_pylist():
            file.write(json.dumps(plain(row), allow_nan=False).encode("ascii") + b"\n")
            written += 1
    return written


def write_parquet(tables: Tables, file: BinaryIO, schema: pa.Schema) -> int:
    """Write the rows; return how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written, held, size = 0, list[pa.Table](), 0
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            held.append(table)
            written, size = written + len(table), size + table.nbytes
            if sum(map(len, held)) >= ROWS or size >= BYTES:
                writer.write_table(pa.concat_tables(held))
                held, size = [], 0
        if held:
            writer.write_table(pa.concat_tables(held))
    return written


def write_dataset(run: Run, selection: Selection, folder: Path) -> int:
    """Write a Parquet file for each mode and a card, as `datasets.load_dataset` reads and the Hub shows; return the rows."""
    schema, counts = export_schema(run, selection), dict[str, int]()
    for mode in selection.modes:
        of_mode = replace(selection, modes=(mode,))
        path = folder / f"{mode}.parquet"
        with open(path, "wb") as file:
            counts[mode] = write_parquet(rows(run, of_mode, schema), file, schema)
        if not counts[mode]:
            path.unlink()
    counts = {mode: count for mode, count in counts.items() if count}
    (folder / CARD).write_text(_card(run, counts), encoding="utf-8")
    return sum(counts.values())


def _card(run: Run, counts: dict[str, int]) -> str:
    splits = "".join(f"  - split: {mode}\n    path: {mode}.parquet\n" for mode in counts)
    files = f"  data_files:\n{splits}" if splits else ""
    columns = "\n".join(f"| `{column.name}` | {column.meaning} |" for column in COLUMNS)
    held = ", ".join(f"{count} of `{mode}`" for mode, count in counts.items()) or "none"
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in run.name)
    return (
        f"---\nconfigs:\n- config_name: default\n{files}tags:\n- grpo\n- rollouts\n---\n\n"
        f"# Recorded groups of {name}\n\n"
        f"Completions of a GRPO run with rewards, similarity, weights and advantages, exported by the DRA Toolkit: {held}. "
        "The texts were written by a model; treat them as untrusted.\n\n"
        f"| column | meaning |\n| --- | --- |\n{columns}\n"
    )


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
