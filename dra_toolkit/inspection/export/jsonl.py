"""JSON lines: one completion in a line, everything that was recorded of it.

Only ASCII is written, the rest as escapes, so that no text acts on a terminal that the file is printed to.
"""

from __future__ import annotations

import json
from typing import BinaryIO

from dra_toolkit.inspection.export.tables import Tables
from dra_toolkit.inspection.plain import plain


def write_jsonl(tables: Tables, file: BinaryIO) -> int:
    """Write the rows; return how many. What is not a finite number is null."""
    written = 0
    for table in tables:
        for row in table.to_pylist():
            file.write(json.dumps(plain(row), allow_nan=False).encode("ascii") + b"\n")
            written += 1
    return written
