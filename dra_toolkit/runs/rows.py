"""Groups in memory as rows of a table, and back."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Adjustment, CompletionGroup, GroupRecord
from dra_toolkit.runs.kinds import KINDS
from dra_toolkit.runs.parquet import SOUND, version_of
from dra_toolkit.runs.schema import (
    COLUMNS,
    GROUP_KEY,
    GROUP_PREFIX,
    OLD_NAMES,
    OPTIONAL,
    FileFacts,
    arrow_schema,
    columns_of,
)

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = "700MB"
"""What DuckDB may hold in memory; it goes on with temporary files, where it is allowed any."""


def to_table(records: Sequence[GroupRecord], facts: FileFacts) -> pa.Table:
    """Return the rows of some groups, in order."""
    import pyarrow as pa

    columns = {
        column.name: list(chain.from_iterable(column.cells(record, facts.correct_by) for record in records))
        for column in COLUMNS
    }
    held = {name for name in OPTIONAL if any(cell is not None for cell in columns[name])}
    schema = arrow_schema(facts, optional=frozenset(held))
    try:
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)
    except UnicodeEncodeError:  # a lone surrogate: not text that UTF-8 can hold
        return pa.table({name: _encodable(columns[name]) for name in schema.names}, schema=schema)


def _encodable(value: Any) -> Any:
    """Return cells, however deep, with a question mark for what UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _encodable(inner) for key, inner in value.items()}
    return [_encodable(inner) for inner in value] if isinstance(value, list) else value


def from_table(table: pa.Table, facts: FileFacts) -> Iterator[GroupRecord]:
    """Yield the groups of a table whose rows are in the order in which they were written."""
    for start, end in pairwise(starts_of(table, GROUP_KEY).tolist()):
        yield _record(table.slice(start, end - start), facts)


def _record(rows: pa.Table, facts: FileFacts) -> GroupRecord:
    values: dict[str, dict[str, Any]] = {"": {}, "group": {"reward_weights": facts.reward_weights}, "adjustment": {}}
    for column in COLUMNS:
        if column.field:
            place, _, name = column.field.rpartition(".")
            value = column.value(rows)
            if value is not None or name not in values[place]:
                values[place][name] = value
    return GroupRecord(
        group=CompletionGroup(**values["group"]), adjustment=Adjustment(**values["adjustment"]), **values[""]
    )


def check_rows(table: pa.Table) -> np.ndarray:
    """Return where each group starts; raises ValueError if rows are not whole groups, each once, in order."""
    if not len(table):
        raise ValueError("no rows")
    starts = starts_of(table, GROUP_KEY)
    sizes = np.diff(starts)
    keys = np.stack([numbers_of(table[name])[starts[:-1]] for name in GROUP_KEY], axis=1)
    if not ascend(keys) and len({*map(tuple, keys.tolist())}) < len(keys):
        raise ValueError("a group is there twice, or its rows are apart")
    within = np.arange(len(table)) - np.repeat(starts[:-1], sizes)
    if not np.array_equal(numbers_of(table["completion_index"]), within):
        raise ValueError("rows of a group are missing, doubled or in another order")
    held = table.column_names
    if "group_size" in held and not np.array_equal(numbers_of(table["group_size"]), np.repeat(sizes, sizes)):
        raise ValueError("rows of a group are missing or doubled")
    if "similarity" in held:
        lengths = np.concatenate([np.diff(np.from_dlpack(chunk.offsets)) for chunk in table["similarity"].chunks])
        if not np.array_equal(lengths, np.repeat(sizes, sizes) - 1 - within):
            raise ValueError("the similarity does not fit the groups")
    return starts


def ascend(keys: np.ndarray) -> bool:
    """Return whether each row of numbers, (M, K), comes after the one before it, by its first number that differs."""
    steps = np.sign(np.diff(keys, axis=0))
    return bool((steps @ (1 << np.arange(keys.shape[1])[::-1]) > 0).all())


def starts_of(table: pa.Table, keys: Sequence[str]) -> np.ndarray:
    """Return the rows at which one of the keys changes, the first row included, and the table's length."""
    is_first = np.ones(len(table), dtype=bool)
    is_first[1:] = False
    for name in keys:
        values = numbers_of(table[name])
        is_first[1:] |= values[1:] != values[:-1]
    return np.append(np.flatnonzero(is_first), len(table))


def numbers_of(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of whole numbers, or of names by number; raises ValueError where one is missing.

    By DLPack: Arrow's own way to numpy begins with an import of pandas.
    """
    if column.null_count:
        raise ValueError("a value is missing that every row has")
    whole = column.unify_dictionaries().combine_chunks()
    return np.from_dlpack(getattr(whole, "indices", whole))


def accept_whole(files: Mapping[Path, frozenset[str]]) -> None:
    """Add to `SOUND` those of some files, given with their columns, that hold whole groups and what their names say.

    One question for all, since one for each costs more than its answer; a look at each of the others says why.
    """
    import duckdb

    sql = resources.files("dra_toolkit.runs").joinpath("whole_groups.sql").read_text(encoding="utf-8")
    alike: dict[frozenset[str], dict[str, tuple[str, int, int]]] = {}
    for path, columns in files.items():
        alike.setdefault(columns, {})[str(path.absolute())] = version_of(path)
    for columns, versions in alike.items():
        index = next((name for name in ("group_index", *OLD_NAMES) if name in columns), "")
        size = "group_size" if "group_size" in columns else "len(similarity) + completion_index + 1"
        with suppress(duckdb.Error), duckdb.connect(config={"memory_limit": MEMORY}) as connection:
            asked = connection.execute(sql.format(index=index, size=size), [[*map(glob.escape, versions)]])
            SOUND.update(versions[path] for (path,) in asked.fetchall())


def texts_of(table: pa.Table) -> list[str]:
    """Return the completions of some rows; raises RunError where some were not kept."""
    if table["completion"].null_count:
        raise RunError("what was asked for needs the texts, of which the record kept a share alone (record_texts)")
    texts: list[str] = table["completion"].to_pylist()
    return texts


def renewed(table: pa.Table, facts: FileFacts, *, measured: bool = True) -> pa.Table:
    """Return the rows of whole groups as the present version has them, whatever the version of their file.

    Those of the first had `group` for `group_index` and no measures of a group: what follows from the rows is computed from
    them in SQL; answers, and what needs the texts, stay unknown. measured: whether with the numbers of the groups.
    """
    if facts.version != 1:
        return table
    table = table.rename_columns([OLD_NAMES.get(name, name) for name in table.column_names])
    if not measured:
        return table
    import duckdb

    key = ", ".join(GROUP_KEY)
    with duckdb.connect() as connection:
        connection.register("recorded", table.select(columns_of("key", "number", there=table.column_names)))
        found = connection.sql(
            f"SELECT {measures(GROUP_PREFIX)} FROM recorded GROUP BY {key} ORDER BY {key}"
        ).to_arrow_table()
    found = found.take(np.repeat(np.arange(len(found)), np.diff(starts_of(table, GROUP_KEY))))
    for name in found.column_names:
        table = table.append_column(name, found[name])
    return table


def measures(prefix: str = "") -> str:
    """Return what to select of the rows of a group: each measure that follows from them."""
    return ", ".join(
        f"CASE WHEN isfinite({m.sql}::DOUBLE) THEN {m.sql} END::{KINDS[m.type].sql} AS {prefix}{m.name}"
        for m in GROUP_MEASURES.values()
        if m.sql
    )
