"""How this project writes Parquet, and reads a stretch of rows without the rest of the file."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.runs.schema import COLUMNS, GROUP_PREFIX
from dra_toolkit.runs.seals import read_seal

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8_192
"""Rows of a row group: as few as let a question skip most of a file, as many as keep a whole scan fast."""
QUICK, DENSE = 3, 6
"""Levels of zstd: for a batch beside the training, and for texts that are kept."""
PAGE = 16 << 20
"""Bytes of a page: each is compressed alone, and texts are smaller together, by 3 % with 3,800 characters each."""
MOST_DECODED = 4 << 30
"""Bytes of a row group, as its file states them, that are decoded."""
_SPLIT = ("redundancy", "weight", "adjusted", "advantage_plain", "advantage", "similarity.list.element")
_PLAIN = ("completion", "embedding", "similarity")


def write_options(schema: pa.Schema, *, level: int = QUICK) -> dict[str, Any]:
    """Return the options of pyarrow's writer for a table of recorded groups, or of some of its columns.

    level: of zstd. Numbers that hardly repeat are split by byte, which zstd likes; what repeats is a dictionary; every
    page has a checksum.
    """
    names = set(schema.names)
    paths = {
        **{
            name: [f"{name}.list.element.{part}" for part in ("role", "content")] for name in ("prompt", "prompt_turns")
        },
        "turns": ["turns.list.element.role"],
        "rewards": [f"rewards.{field.name}" for field in schema.field("rewards").type] if "rewards" in names else [],
    }
    split = [path for path in _SPLIT if path.partition(".")[0] in names]
    repeating = [
        path for name in schema.names if name not in _PLAIN and name not in split for path in paths.get(name, [name])
    ]
    numbers = {column.name for column in COLUMNS if column.type in ("int32", "float64", "bool")}
    searched = [name for name in schema.names if name in ("step", "batch") or name.startswith(GROUP_PREFIX)]
    return {
        "compression": "zstd",
        "compression_level": level,
        "data_page_size": PAGE,
        "use_dictionary": repeating,
        "column_encoding": dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        "write_page_checksum": True,
        "write_statistics": [name for name in searched if name in numbers],  # where they help to skip row groups
    }


class RowReader:
    """Reads stretches of rows from one file, in order or not, decoding each row group once while it moves forward.

    Of a file that `is_sealed`, anything that differs from what was written is told.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        import pyarrow.parquet as pq

        self._path, self._seal = path, read_seal(path)
        self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self.schema: pa.Schema = self._file.schema_arrow
        self.is_sealed = self._seal is not None
        self._columns = list(columns) if columns is not None else None
        metadata = self._file.metadata
        largest = max((metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), default=0)
        if largest > MOST_DECODED:
            raise ValueError(f"{largest >> 20} MiB at once, more than any run writes")
        sizes = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        self._starts = [0, *itertools.accumulate(sizes)]
        self._held: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def rows(self, start: int, end: int) -> pa.Table:
        """Return the rows from `start` up to, not including, `end`."""
        import pyarrow as pa

        first = bisect.bisect_right(self._starts, start) - 1
        last = max(first, bisect.bisect_left(self._starts, end) - 1)
        needed = range(first, last + 1)
        self._held = {i: self._held[i] if i in self._held else self._decode(i) for i in needed}
        table = pa.concat_tables(self._held.values()) if len(needed) > 1 else self._held[first]
        return table.slice(start - self._starts[first], end - start)

    def close(self) -> None:
        """Close the file."""
        self._held.clear()
        self._file.close()

    def _decode(self, row_group: int) -> pa.Table:
        if self._seal is not None:
            found = self._file.metadata.row_group(row_group)
            columns = [found.column(i) for i in range(found.num_columns)]
            starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
            end = max(s + c.total_compressed_size for s, c in zip(starts, columns, strict=True))
            self._seal.check(self._path, min(starts), end)
        return self._file.read_row_group(row_group, columns=self._columns, use_threads=False)
