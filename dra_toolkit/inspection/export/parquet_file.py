"""Parquet: all rows in one file, in row groups of a bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from dra_toolkit.inspection.export.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8_192
BYTES = 32 << 20
"""A row group ends with so many rows, or bytes, whichever comes first."""


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
