"""Export a selection whole or not at all: rows with one schema as JSON lines, CSV, Parquet or a data set, or an HTML report.

The report is one file without script, in which model text is only ever text.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.group_measures import shown_in
from dra_toolkit.inspection.group_html import figures, group_html, safe_html
from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.replay.settings import recipe_lines
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run
from dra_toolkit.runs.files import publish, publish_folder, remove_folder
from dra_toolkit.runs.schema import COLUMNS, OPTIONAL, arrow_schema
from dra_toolkit.runs.segments import with_columns

if TYPE_CHECKING:
    import pyarrow as pa

CARD = "README.md"
ROWS = 8_192
BYTES = 32 << 20
"""A row group of Parquet ends with so many rows, or bytes, whichever comes first."""


def _columns(run: Run, selection: Selection) -> pa.Schema:
    """Return the columns of an export: those of the recorded rows, in types that every reader of Parquet knows."""
    import pyarrow as pa

    facts = [one for mode in selection.modes for one in run.facts(mode)]
    weights = {name: 1.0 for one in facts for name in one.reward_weights}
    fields = arrow_schema(replace(facts[0], reward_weights=weights), optional=frozenset(OPTIONAL))
    half, single = pa.list_(pa.float16()), pa.list_(pa.float32())
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in fields]
    return pa.schema(zip(fields.names, (single if kind == half else kind for kind in kinds), strict=True))


def _rows(run: Run, selection: Selection) -> Iterator[dict[str, Any]]:
    schema = _columns(run, selection)
    for _, table in selection.tables(run):
        yield from with_columns(table, schema).to_pylist()  # what a batch lacks is null


def write_jsonl(run: Run, selection: Selection, file: BinaryIO) -> int:
    """Write a line for each row; return how many. What is not a finite number is null.

    Only ASCII is written, the rest as escapes, so that no text acts on a terminal that the file is printed to.
    """
    written = 0
    for row in _rows(run, selection):
        file.write(json.dumps(plain(row), allow_nan=False).encode("ascii") + b"\n")
        written += 1
    return written


def write_parquet(run: Run, selection: Selection, file: BinaryIO, schema: pa.Schema | None = None) -> int:
    """Write the rows with the columns of a selection, or of the schema; return how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written, held, size = 0, list[pa.Table](), 0
    schema = schema or _columns(run, selection)
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for _, table in selection.tables(run):
            held.append(with_columns(table, schema))
            written, size = written + len(table), size + held[-1].nbytes
            if sum(map(len, held)) >= ROWS or size >= BYTES:
                writer.write_table(pa.concat_tables(held))
                held, size = [], 0
        if held:
            writer.write_table(pa.concat_tables(held))
    return written


def write_dataset(run: Run, selection: Selection, folder: Path) -> int:
    """Write a Parquet file for each mode and a card, as `datasets.load_dataset` reads and the Hub shows; return the rows."""
    schema, counts = _columns(run, selection), dict[str, int]()
    for mode in selection.modes:
        path = folder / f"{mode}.parquet"
        with open(path, "wb") as file:
            count = write_parquet(run, replace(selection, modes=(mode,)), file, schema)
        if count:
            counts[mode] = count
        else:
            path.unlink()
    (folder / CARD).write_text(_card(run, counts), encoding="utf-8")
    return sum(counts.values())


def _card(run: Run, counts: dict[str, int]) -> str:
    template = resources.files("dra_toolkit.inspection.export").joinpath("card.md").read_text(encoding="utf-8")
    return Template(template).substitute(
        name="".join(c if c.isalnum() or c in "-_." else "-" for c in run.name),
        splits="".join(f"  - split: {mode}\n    path: {mode}.parquet\n" for mode in counts),
        held=", ".join(f"{count} of `{mode}`" for mode, count in counts.items()),
        columns="\n".join(f"| `{column.name}` | {column.meaning} |" for column in COLUMNS),
    )


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide forms count in some locales
"""What a spreadsheet takes for the beginning of a formula, or skips to find one."""
LEFT_OUT = ("similarity", "embedding")


def write_csv(run: Run, selection: Selection, file: BinaryIO) -> int:
    """Write a header and the rows; return how many."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=True)
    writer = csv.writer(text)
    written, header = 0, list[str]()
    for cells in map(_flat, _rows(run, selection)):
        if not header:
            header = list(cells)
            writer.writerow(map(cell, header))
        writer.writerow(cell(cells.get(name)) for name in header)
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
        if name == "prompt":
            cells[name] = "\n".join(f"{message['role']}: {message['content']}" for message in value or [])
        elif name in ("turns", "prompt_turns"):
            cells[name] = None if value is None else json.dumps(value, ensure_ascii=False)
        elif name == "rewards":
            cells |= {f"reward:{reward}": number for reward, number in (value or {}).items()}
        elif name not in LEFT_OUT:
            cells[name] = value
    return cells


WRITERS: dict[str, Callable[..., int]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
    "dataset": write_dataset,
}
"""Format -> what writes a selection to a file or folder, and returns how many rows."""
FORMATS = (*WRITERS, "html")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote."""

    out: str
    format: str
    completions: int


def export(
    run: Run, out: Path, format: str, selection: Selection | None = None, *, groups: int = 20, overwrite: bool = False
) -> Exported:
    """Write the chosen groups of a run to `out`, a file, or a folder for `dataset`.

    groups: how many groups an HTML report shows in full. Raises RunError if nothing is recorded or chosen, if something
    lies in the way and `overwrite` was not asked for, or if the place cannot be written.
    """
    selection = selection or Selection()
    if format not in FORMATS:
        raise RunError(f"--to: found {format!r}, expected one of {', '.join(FORMATS)}{did_you_mean(format, FORMATS)}")
    _check_place(out, format, overwrite)
    if not any(run.facts(mode) for mode in selection.modes):
        raise RunError(f"{run.name}: no {' or '.join(selection.modes)} groups are recorded")
    try:
        count = _write(run, out, format, selection, groups)
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror or error})") from None
    return Exported(out=str(out), format=format, completions=count)


def _write(run: Run, out: Path, format: str, selection: Selection, groups: int) -> int:
    written = 0

    def fill(place: Any) -> None:
        nonlocal written
        written = writer(run, selection, place)
        if not written:
            raise RunError(f"{run.name}: no recorded group is of these steps and measures")
        if format == "dataset" and out.exists():
            remove_folder(out)

    writer = partial(write_html, groups=groups) if format == "html" else WRITERS[format]
    publish_folder(out, fill) if format == "dataset" else publish(out, fill)
    return written


def _check_place(out: Path, format: str, overwrite: bool) -> None:
    if not out.parent.is_dir():
        raise RunError(f"{out}: there is no folder {out.parent}")
    if not out.exists():
        return
    if not overwrite:
        raise RunError(f"{out}: is there already; --overwrite replaces it")
    if format == "dataset" and not (out.is_dir() and all(p.suffix in (".parquet", ".md") for p in out.iterdir())):
        raise RunError(f"{out}: is no folder of an earlier export ({CARD} and Parquet files), so it is left alone")
    if format != "dataset" and out.is_dir():
        raise RunError(f"{out}: is a folder, expected the name of a file")


def write_html(run: Run, selection: Selection, file: BinaryIO, *, groups: int) -> int:
    """Write the report, the groups with most flips and then the most similar ones in full; return their completions."""
    shown = 0
    for part, completions in _parts(run, selection, groups):
        file.write(part.encode("utf-8", "replace"))
        shown += completions
    return shown


def _parts(run: Run, selection: Selection, groups: int) -> Iterator[tuple[str, int]]:
    """Yield pieces of the page, each with how many completions it shows."""
    condition, parameters = selection.sql()
    head = resources.files("dra_toolkit.inspection.export").joinpath("report_head.html").read_text(encoding="utf-8")
    yield head.replace("$name", safe_html(run.name)), 0
    facts = next(one for mode in selection.modes for one in run.facts(mode))
    settings = "\n".join(recipe_lines(facts.diversity, facts.made, facts.embedder))
    yield f"<details><summary>Settings</summary><pre>{safe_html(settings)}</pre></details>\n", 0
    yield "".join(_curves(run, condition, parameters)), 0
    order = "flips DESC, similarity DESC NULLS LAST, mode, step, batch, group_index"
    sql = f"SELECT mode, step, batch, group_index, count(*) OVER () AS of FROM groups WHERE {condition}"
    chosen = run.query(f"{sql} ORDER BY {order} LIMIT {int(groups)}", parameters, steps=selection.steps).to_pylist()
    total = chosen[0]["of"] if chosen else 0
    said = "A flip is a completion whose advantage has the other sign than without the adjustment."
    order = f"{len(chosen)} of {total}: those with most flips first, then the most similar. {said}"
    yield f'<h2>Groups</h2><p class="note">{order}</p>\n', 0
    for row in chosen:
        record = run.group(row["step"], row["group_index"], mode=row["mode"], batch=row["batch"])
        yield group_html(record), len(record.group)
    yield "</body></html>\n", 0


def _curves(run: Run, condition: str, parameters: list[object]) -> Iterator[str]:
    measures = shown_in("steps")
    means = ", ".join(f"{'sum' if m.summed else 'avg'}({m.name}::DOUBLE) AS {m.name}" for m in measures)
    found = run.query(f"SELECT step, {means} FROM groups WHERE {condition} GROUP BY step ORDER BY step", parameters)
    steps = {name: found[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in found.column_names}
    yield '<h2>Curves</h2><div class="curves">\n'
    for label, figure in figures(steps, measures):
        yield f"<figure><figcaption>{label}</figcaption>{figure}</figure>\n"
    yield "</div>\n"
