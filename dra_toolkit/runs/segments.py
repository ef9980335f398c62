"""A segment: many generation batches in one folder, as three files with the same rows in the same order.

groups.parquet        a row for each group: who it is, its measures
completions.parquet   a row for each completion: everything but the texts
texts.parquet         a row for each completion: prompt, text, embedding; in small row groups, so that one group is near

The numbers are scanned often and as a whole, the texts rarely and in pieces: apart, each is laid out for its use.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.runs.names import is_own_name
from dra_toolkit.runs.parquet import DENSE, QUICK, ROWS, RowReader, require_sound, seal, write_options
from dra_toolkit.runs.rows import ascend, check_rows, numbers_of
from dra_toolkit.runs.schema import COLUMNS, GROUP_KEY, KEY, FileFacts, arrow_schema, columns_of, read_facts

if TYPE_CHECKING:
    import pyarrow as pa

GROUPS, COMPLETIONS, TEXTS = "groups.parquet", "completions.parquet", "texts.parquet"
FILES = (GROUPS, COMPLETIONS, TEXTS)
SOURCES_KEY = b"dra_sources"
"""Metadata of groups.parquet: name, size and time of each file or folder that the segment was made from."""
TEXT_BYTES = 1 << 20
"""Bytes of text in a row group of texts.parquet: what is decoded to show one group."""
FEWEST_TEXTS = 64
OF_FILE = {
    GROUPS: frozenset(c.name for c in COLUMNS if c.per_group and c.part != "text"),
    COMPLETIONS: frozenset(columns_of("key", "number")),
    TEXTS: frozenset(columns_of("key", "text")),
}
"""File -> the columns that stand in it."""

Batch = tuple[int, int]
"""Step and generation batch."""


class SegmentWriter:
    """Writes the three files of a segment, one batch after the other, in bounded memory."""

    def __init__(self, folder: Path, facts: FileFacts, optional: frozenset[str], sources: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        self._schema = arrow_schema(facts, optional=optional)
        said = {**(self._schema.metadata or {}), SOURCES_KEY: json.dumps(sources).encode()}
        self._parts: dict[str, _Part] = {}
        for name in FILES:
            of_file = [field for field in self._schema if field.name in OF_FILE[name]]
            kept = pa.schema(of_file, metadata=said if name == GROUPS else self._schema.metadata)
            self._parts[name] = _Part(folder / name, kept, most_bytes=TEXT_BYTES if name == TEXTS else None)

    def add(self, table: pa.Table) -> None:
        """Append the rows of a batch; columns that it lacks are null."""
        import pyarrow.compute as pc

        rows = with_columns(table, self._schema)
        for name, part in self._parts.items():
            part.add(rows.filter(pc.equal(rows["completion_index"], 0)) if name == GROUPS else rows)

    def close(self) -> None:
        """Write what is held and end the files."""
        for part in self._parts.values():
            part.close()


class _Part:
    """One file of a segment."""

    def __init__(self, path: Path, schema: pa.Schema, *, most_bytes: int | None = None) -> None:
        import pyarrow.parquet as pq

        self._path, self._schema, self._most_bytes = path, schema, most_bytes
        level = QUICK if most_bytes is None else DENSE
        self._writer = pq.ParquetWriter(path, schema, **write_options(schema, level=level))
        self._held: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> None:
        table = table.select(self._schema.names).cast(self._schema)
        self._held.append(table)
        self._rows += len(table)
        if self._most_bytes is not None:
            self._bytes += table["completion"].nbytes
        is_long = self._most_bytes is not None and self._bytes >= self._most_bytes and self._rows >= FEWEST_TEXTS
        if is_long or self._rows >= ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            table = pa.concat_tables(self._held).unify_dictionaries()
            self._writer.write_table(table, row_group_size=self._row_group_size(table))
        self._held, self._rows, self._bytes = [], 0, 0

    def _row_group_size(self, table: pa.Table) -> int:
        """Return how many rows make a row group; a batch may be many row groups long."""
        if self._most_bytes is None:
            return ROWS
        each = max(1, self._bytes // max(1, len(table)))
        return min(ROWS, max(FEWEST_TEXTS, self._most_bytes // each))

    def close(self) -> None:
        self._flush()
        self._writer.close()
        with open(self._path, "r+b") as file:
            seal(file)


class SegmentReader:
    """Reads a published segment; opens its files when they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._readers: dict[str, RowReader] = {}
        self._index: tuple[np.ndarray, np.ndarray] | None = None

    def facts(self) -> FileFacts:
        """Return what holds for every group of the segment; raises RunError where a file lacks what it must have."""
        found = [read_facts(self._reader(name).schema, f"{self.folder.name}: {name}", OF_FILE[name]) for name in FILES]
        return found[0]

    def columns(self) -> frozenset[str]:
        """Return the columns that it has."""
        return frozenset(name for file in FILES for name in self._reader(file).schema.names)

    @property
    def sources(self) -> list[dict[str, Any]]:
        """What the segment was made from: name, size and time of each; names that we never write are left alone."""
        stored = json.loads((self._reader(GROUPS).schema.metadata or {}).get(SOURCES_KEY, b"[]"))
        return [each for each in stored if isinstance(each, dict) and is_own_name(each.get("name"))]

    def check(self) -> None:
        """Raise what pyarrow raises if one of the three files is torn, and ValueError if they do not fit together."""
        completions, texts = len(self._reader(COMPLETIONS)), len(self._reader(TEXTS))
        if completions != texts:
            raise ValueError(f"{completions} completions but {texts} texts")
        groups = int(self._groups()[1][-1])
        if groups != completions:
            raise ValueError(f"{completions} completions but groups of {groups}")
        if not completions:
            raise ValueError("no rows")
        if not ascend(self._groups()[0]):
            raise ValueError(f"{GROUPS}: its groups are doubled or in another order")

    def require_sound(self, name: str) -> None:
        """Raise ValueError if one of the files is not as it was written; each version of it is read once by a process.

        Of a file without a seal, which another tool or version wrote, the rows must be those of the groups, in their order.
        """
        columns = (*KEY, "similarity")
        check = None if name == GROUPS else lambda reader: self._check_rows(reader.columns(columns), name)
        require_sound(self.folder / name, check)

    def _check_rows(self, table: pa.Table, name: str, first: int = 0) -> None:
        """Raise ValueError if rows from the group `first` on are not those of the groups, in their order."""
        found = check_rows(table)
        keys, starts = self._groups()
        at = np.stack([numbers_of(table[key])[found[:-1]] for key in GROUP_KEY[1:]], axis=1)
        end = first + len(at)
        expected = starts[first : end + 1] - starts[first]
        if not (np.array_equal(found, expected) and np.array_equal(at, keys[first:end])):
            raise ValueError(f"{name}: its rows are not those of {GROUPS}")

    def batches(self) -> list[Batch]:
        """Return the batches that the segment holds, ascending."""
        keys = self._groups()[0][:, :2]
        is_first = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))
        return [(int(step), int(batch)) for step, batch in keys[is_first]]

    def read(self, batch: Batch, index: int | None = None) -> pa.Table:
        """Return the rows of one batch, or of one group of it, with every column, as its own file had them."""
        keys, starts = self._groups()
        begin, end = np.searchsorted(keys[:, 0], (batch[0], batch[0] + 1))  # they are in order, as `check` wants them
        is_wanted = (keys[begin:end, 1] == batch[1]) & (index is None or keys[begin:end, 2] == index)
        first = int(begin + is_wanted.argmax()) if is_wanted.any() else 0
        return self._rows(first, first + int(is_wanted.sum()), starts)

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _reader(self, name: str) -> RowReader:
        if name not in self._readers:
            self._readers[name] = RowReader(self.folder / name)
        return self._readers[name]

    def _groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Return step, batch and index of each group, (M, 3), and where its rows start, (M + 1,)."""
        if self._index is None:
            names = ("step", "batch", "group_index", "group_size")
            table = self._reader(GROUPS).columns(names)
            columns = [numbers_of(table[name]) for name in names]
            self._index = np.stack(columns[:3], axis=1), np.concatenate([[0], np.cumsum(columns[3])])
        return self._index

    def _rows(self, first: int, end: int, starts: np.ndarray) -> pa.Table:
        """Return the rows of the groups from `first` up to, not including, `end`."""
        import pyarrow as pa

        start, stop = int(starts[first]), int(starts[end])
        numbers = self._reader(COMPLETIONS).rows(start, stop)
        texts = self._reader(TEXTS).rows(start, stop)
        for name, table in ((COMPLETIONS, numbers), (TEXTS, texts)):
            if len(table) and not self._reader(name).is_sealed:
                self._check_rows(table, name, first)
        groups = self._reader(GROUPS).rows(first, end)
        if end - first == 1:  # to take, Arrow first loads all its functions, for five times what one group takes
            repeated = pa.concat_tables([groups] * (stop - start))
        else:
            of_rows = np.repeat(np.arange(end - first), np.diff(starts[first : end + 1]))
            indices = pa.Array.from_buffers(pa.int64(), len(of_rows), [None, pa.py_buffer(of_rows)])  # no pandas either
            repeated = groups.take(indices)
        parts = {name: part[name] for part in (repeated, texts, numbers) for name in part.column_names}
        return pa.table({column.name: parts[column.name] for column in COLUMNS if column.name in parts})


def with_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of the schema, in its order; those that it lacks are null."""
    import pyarrow as pa

    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def led_astray(segment: Path) -> str | None:
    """Return which file of a segment is none: looked for at every opening, since a link may be put there at any time."""
    with os.scandir(segment) as entries:
        odd = [entry for entry in entries if not entry.is_file(follow_symlinks=False)]
    if odd:
        os.lstat(odd[0].path)  # raises where it vanished meanwhile, and whoever reads looks again
    return f"its file {odd[0].name} is {'a link' if odd[0].is_symlink() else 'no file'}, left alone" if odd else None
