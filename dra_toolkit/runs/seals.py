"""Checksums of a whole Parquet file, its end included, kept in a gap before its footer, which readers of Parquet skip.

    data | CRC-32 of each block of the data | trailer | footer | length of the footer | PAR1

Page checksums guard the pages alone, and not every reader looks at them. A file that another tool writes anew has no seal.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 16
MAGIC = b"DRA seal"
_TRAILER = struct.Struct("<III8s")
"""Blocks, checksum of their checksums, checksum of what follows the seal, and the mark that it is one."""
_END = struct.Struct("<I4s")


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


def require_sound(path: Path) -> None:
    """Raise BrokenSealError if a sealed file is not as it was written; each version of a file is read once by a process."""
    version = version_of(path)
    if version not in _sound:
        found = read_seal(path)
        if found is not None:
            found.check(path)
        _sound.add(version)


def version_of(path: Path) -> tuple[str, int, int]:
    """Return what tells one version of a file from another."""
    stat = os.stat(path)
    return str(path), stat.st_size, stat.st_mtime_ns


_sound: set[tuple[str, int, int]] = set()


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
