"""How this project writes Parquet, and reads a stretch of rows without the rest of the file.

A seal, checksums of the whole file, its end included, stands in a gap before the footer, which readers of Parquet skip:

    data | CRC-32 of each block of the data | trailer | footer | length of the footer | PAR1

Page checksums guard the pages alone, and not every reader looks at them. A file that another tool writes anew has no seal.
"""

from __future__ import annotations

import bisect
import itertools
import os
import stat
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dra_toolkit.runs.schema import COLUMNS, GROUP_PREFIX
from dra_toolkit.safe_text import first_line

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
BLOCK = 1 << 16
MAGIC = b"DRA seal"
_TRAILER = struct.Struct("<III8s")
"""Blocks, checksum of their checksums, checksum of what follows the seal, and the mark that it is one."""
_END = struct.Struct("<I4s")
SOUND: set[tuple[str, int, int]] = set()
"""The versions of files that this process found to be as they were written."""


def write_options(schema: pa.Schema, *, level: int = QUICK) -> dict[str, Any]:
    """Return the options of pyarrow's writer for a table of recorded groups, or of some of its columns.

    level: of zstd. Numbers that hardly repeat are split by byte, which zstd likes; what repeats is a dictionary; every
    page has a checksum.
    """
    names = set(schema.names)
    paths = {
        name: [f"{name}.list.element.{part}" for part in ("role", "content")] for name in ("prompt", "prompt_turns")
    }
    paths["turns"] = ["turns.list.element.role"]
    if "rewards" in names:
        paths["rewards"] = [f"rewards.{field.name}" for field in schema.field("rewards").type]
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


class BrokenSealError(ValueError):
    """A file is not as it was written."""


@dataclass(frozen=True)
class Seal:
    """What a file was when it was written: bytes before the seal, and the checksum of each block of them."""

    data: int
    checksums: tuple[int, ...]

    def check(self, path: Path, start: int = 0, end: int | None = None) -> None:
        """Raise BrokenSealError if a block with one of the bytes from `start` up to `end` is not as it was written."""
        end = self.data if end is None else min(end, self.data)
        with open(path, "rb") as file:
            file.seek(start // BLOCK * BLOCK)
            for block in range(start // BLOCK, -(-end // BLOCK)):
                found = file.read(min(BLOCK, self.data - block * BLOCK))
                if zlib.crc32(found) != self.checksums[block]:
                    raise BrokenSealError(f"bytes from {block * BLOCK} on are not as they were written")


def seal(file: BinaryIO) -> None:
    """Put the seal into a Parquet file that was just written and is open for reading and writing."""
    footer, size = _footer(file)
    start = size - len(footer)
    file.seek(0)
    checksums = [zlib.crc32(file.read(min(BLOCK, start - at))) for at in range(0, start, BLOCK)]
    table = struct.pack(f"<{len(checksums)}I", *checksums)
    file.seek(start)
    file.write(table + _TRAILER.pack(len(checksums), zlib.crc32(table), zlib.crc32(footer), MAGIC) + footer)


def read_seal(path: Path) -> Seal | None:
    """Return the seal of a file; None for one that has none. Raises BrokenSealError if its end is damaged."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep a reader waiting for ever
        raise BrokenSealError("not a regular file")
    with open(path, "rb") as file:
        footer, size = _footer(file)
        after = size - len(footer)
        if after < _TRAILER.size:
            return None
        file.seek(after - _TRAILER.size)
        count, of_table, of_footer, magic = _TRAILER.unpack(file.read(_TRAILER.size))
        start = after - _TRAILER.size - 4 * count
        if magic != MAGIC:
            return None
        file.seek(max(start, 0))
        table = file.read(4 * count)
    if start < 0 or zlib.crc32(table) != of_table or zlib.crc32(footer) != of_footer:
        raise BrokenSealError("its end is not as it was written")
    return Seal(start, struct.unpack(f"<{count}I", table))


def require_sound(path: Path, check: Callable[[RowReader], object] | None = None) -> None:
    """Raise BrokenSealError if a sealed file is not as it was written; each version of a file is read once by a process.

    check: raises for what is wrong with the rows of a file without a seal, which another tool or version wrote.
    """
    version = version_of(path)
    if version not in SOUND:
        found = read_seal(path)
        if found is not None:
            found.check(path)
        elif check is not None:
            with closing(RowReader(path)) as reader:
                check(reader)
        SOUND.add(version)


def version_of(path: Path) -> tuple[str, int, int]:
    """Return what tells one version of a file from another."""
    found = os.stat(path)
    return str(path), found.st_size, found.st_mtime_ns


def _footer(file: BinaryIO) -> tuple[bytes, int]:
    """Return the end of a Parquet file, from its metadata on, and the size of the file."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size))
    end = file.read(_END.size)
    if len(end) < _END.size or end[4:] != b"PAR1":
        raise BrokenSealError("it does not end as Parquet does")
    length = _END.unpack(end)[0] + _END.size
    if length > size:
        raise BrokenSealError("it is shorter than its end says")
    file.seek(size - length)
    return file.read(length), size


class RowReader:
    """Reads stretches of rows from one file, in order or not, decoding each row group once while it moves forward.

    Of a file that `is_sealed`, anything that differs from what was written is told.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path, self._seal = path, read_seal(path)
        self._file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
        self.schema: pa.Schema = self._file.schema_arrow
        self.is_sealed = self._seal is not None
        metadata = self._file.metadata
        largest = max((metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), default=0)
        if largest > MOST_DECODED:
            raise ValueError(f"{largest >> 20} MiB at once, more than any run writes")
        sizes = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        self._starts = [0, *itertools.accumulate(sizes)]
        self._held: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def ends_of(self, column: str) -> set[Any]:
        """Return the smallest and largest value of a column that searches know, as the file's end states them."""
        place, metadata = self.schema.names.index(column), self._file.metadata
        told = (metadata.row_group(i).column(place).statistics for i in range(metadata.num_row_groups))
        return {value for each in told if each is not None and each.has_min_max for value in (each.min, each.max)}

    def rows(self, start: int, end: int) -> pa.Table:
        """Return the rows from `start` up to, not including, `end`."""
        import pyarrow as pa

        first = bisect.bisect_right(self._starts, start) - 1
        last = max(first, bisect.bisect_left(self._starts, end) - 1)
        needed = range(first, last + 1)
        self._held = {i: self._held[i] if i in self._held else self._decode(i) for i in needed}
        table = pa.concat_tables(self._held.values()) if len(needed) > 1 else self._held[first]
        return table.slice(start - self._starts[first], end - start)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Return some columns of every row, those of them that the file has."""
        if self._seal is not None:
            self._seal.check(self._path)
        return self._file.read([name for name in names if name in self.schema.names])

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
        return self._file.read_row_group(row_group, use_threads=False)


def why_undecodable(path: Path) -> str | None:
    """Decode all of one file, checksums included, and return why it cannot be; None if it can, or is no longer there."""
    try:
        with closing(RowReader(path)) as reader:
            for start in range(0, len(reader), 1024):
                reader.rows(start, min(start + 1024, len(reader)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        return first_line(error)
    return None
