"""Whether a file or segment of recorded groups can be read, and in one line why not."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.runs.facts import FileFacts
from dra_toolkit.runs.parquet import RowReader
from dra_toolkit.runs.rows import check_rows
from dra_toolkit.runs.schema import KEY, OLD_NAMES, read_facts
from dra_toolkit.runs.segments import SegmentReader
from dra_toolkit.safe_text import first_line

Contents = tuple[FileFacts, frozenset[str]]
"""What holds for all groups of a file or segment, and the names of its columns."""


def contents_of(path: Path) -> Contents | str:
    """Return what a file or segment says of itself, or why it cannot be read."""
    try:
        if path.is_dir():
            for inner in sorted(path.iterdir()):
                if inner.is_symlink() or not inner.is_file():
                    return f"its file {inner.name} is {'a link' if inner.is_symlink() else 'no file'}, left alone"
            with closing(SegmentReader(path)) as segment:
                segment.check()
                return segment.facts(), segment.columns()
        if not path.is_file():
            return "not a regular file"
        with closing(RowReader(path)) as reader:
            facts = read_facts(reader.schema, path.name)
            if not reader.is_sealed:
                _check_batch(path, facts)
            return facts, frozenset(reader.schema.names)
    except RunError as error:
        return str(error).removeprefix(f"{path.name}: ")
    except FileNotFoundError:
        if path.is_dir():
            return "torn: a file of the segment is missing"
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"torn or not Parquet ({first_line(error)})"


def _check_batch(path: Path, facts: FileFacts) -> None:
    """Raise ValueError if the rows of a file that another tool or version wrote are not those that its name promises."""
    import numpy as np

    wanted = [*KEY, *OLD_NAMES, "similarity", "group_size"]
    with closing(RowReader(path, wanted)) as reader:
        table = reader.rows(0, len(reader)) if len(reader) else reader.schema.empty_table()
    if facts.version == 1:
        table = table.rename_columns([OLD_NAMES.get(name, name) for name in table.column_names])
    check_rows(table)
    mode, step, batch = path.name.removesuffix(".parquet").split("-")
    for name, value in (("mode", mode), ("step", int(step)), ("batch", int(batch))):
        if found := set(np.unique(table[name].to_numpy()).tolist()) - {value}:
            raise ValueError(f"holds {name} {min(found)}, which its name does not say: it was copied or renamed")


def why_undecodable(path: Path) -> str | None:
    """Decode all of one file, checksums included, and return why it cannot be; None if it can, or is no longer there."""
    try:
        with closing(RowReader(path)) as reader:
            for start in range(0, len(reader), 1024):
                reader.rows(start, min(start + 1024, len(reader)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return first_line(error)
    return None
