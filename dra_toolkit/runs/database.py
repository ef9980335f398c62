"""The recorded groups as tables for SQL: DuckDB in memory over the published files, which are only ever read.

steps         a row for each mode and step: means over its groups
groups        a row for each group: who it is, its measures
completions   a row for each completion: rewards, similarity, weight, advantages; everything but the texts
texts         a row for each completion: prompt and text
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.runs.kinds import KINDS
from dra_toolkit.runs.rows import MEMORY, measures
from dra_toolkit.runs.schema import COLUMNS, GROUP_KEY, GROUP_PREFIX, OLD_NAMES, columns_of
from dra_toolkit.runs.segments import COMPLETIONS, FILES, GROUPS, TEXTS
from dra_toolkit.runs.store import Snapshot

if TYPE_CHECKING:
    import duckdb

PARTS = {"groups": GROUPS, "completions": COMPLETIONS, "texts": TEXTS}
TABLES = ("steps", *PARTS)
_OF_GROUPS = (*GROUP_KEY, "attempt", "prompt_hash")
_MAY_LACK = ("texts_dropped",)
FEW = 8
"""The most files of a run of version 1 whose groups are measured once, and not for each question."""


def connect(
    snapshot: Snapshot, tables: Collection[str] = TABLES, connection: duckdb.DuckDBPyConnection | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection in which the groups of a snapshot are the tables above; it can read and write nothing else.

    tables: those of them that will be asked; each costs the opening of its files. connection: one to add them to.
    """
    import duckdb

    if connection is None:
        connection = duckdb.connect(config={"memory_limit": MEMORY, "autoinstall_known_extensions": False})
        inside = [segment.path / file for segment in snapshot.segments for file in FILES]
        allowed = [str(path.absolute()) for path in (*(file.path for file in snapshot.files), *inside)]
        connection.execute(f"SET allowed_paths = {_list([*allowed, *map(glob.escape, allowed)])}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    is_old = any(facts.version == 1 for facts in snapshot.facts.values())
    wanted = {*tables, "groups"} if "steps" in tables else {*tables}
    for name in wanted & set(PARTS):
        selects = list(_selects(snapshot, name))
        body = " UNION ALL BY NAME ".join([*selects, f"SELECT {_nothing(name, is_all=not selects)} WHERE false"])
        kept = "TABLE" if name == "groups" and is_old and len(snapshot.facts) <= FEW else "VIEW"
        connection.execute(f'CREATE {kept} IF NOT EXISTS "{name}" AS {body}')
    if "steps" in tables:
        means = ", ".join(
            f"{'sum' if m.summed else 'avg'}({m.name}{'::INT' if m.type == 'bool' else ''}) AS {m.name}"
            for m in GROUP_MEASURES.values()
        )
        of_groups = f'SELECT mode, step, count(*) AS groups, {means} FROM "groups" GROUP BY mode, step'
        connection.execute(f"CREATE VIEW IF NOT EXISTS steps AS {of_groups}")
    return connection


def parts_of(tables: Sequence[str]) -> set[str]:
    """Return which files of a segment some tables read."""
    return {PARTS["groups" if name == "steps" else name] for name in tables}


def table_columns(name: str) -> list[tuple[str, str, str]]:
    """Return name, type and meaning of each column of a table."""
    described = {column.name: (column.type.removesuffix(" or null"), column.meaning) for column in COLUMNS}
    if name == "steps":
        shared = [("mode", *described["mode"]), ("step", *described["step"]), ("groups", "int64", "groups of the step")]
        return shared + [
            (m.name, "float64", f"{'sum' if m.summed else 'mean'} over the groups: {m.meaning}")
            for m in GROUP_MEASURES.values()
        ]
    if name == "groups":
        keys = [(column, *described[column]) for column in (*_OF_GROUPS, *_MAY_LACK)]
        return keys + [(m.name, m.type, m.meaning) for m in GROUP_MEASURES.values()]
    return [(column, *described[column]) for column in columns_of("key", "number" if name == "completions" else "text")]


def _selects(snapshot: Snapshot, name: str) -> Iterator[str]:
    """Yield what selects the rows of a table from each kind of file."""
    part = PARTS[name]
    whole = [segment.path for segment in snapshot.segments if segment.path not in snapshot.hidden]
    if whole:
        yield f"SELECT {_columns(snapshot, name, whole)} FROM {_read(snapshot, whole, part)}"
    for path, batches in snapshot.hidden.items():
        hidden = ", ".join(f"({step}, {batch})" for step, batch in sorted(batches))
        others = f"{_read(snapshot, [path], part)} WHERE (step, batch) NOT IN ({hidden})"
        yield f"SELECT {_columns(snapshot, name, [path])} FROM {others}"
    first = [file.path for file in snapshot.files if snapshot.facts[file.path].version == 1]
    files = [file.path for file in snapshot.files if snapshot.facts[file.path].version != 1]
    if files:
        one_row = " WHERE completion_index = 0" if name == "groups" else ""
        yield f"SELECT {_columns(snapshot, name, files)} FROM {_read(snapshot, files)}{one_row}"
    if first and name == "groups":
        key = ", ".join(GROUP_KEY)  # its measures are computed from the rows, those that are asked for
        other = "any_value(attempt) AS attempt, any_value(prompt_hash) AS prompt_hash"
        yield f"SELECT {key}, {other}, {measures()} FROM {_renamed(snapshot, first)} GROUP BY {key}"
    elif first:
        yield f"SELECT {_columns(snapshot, name, first)} FROM {_renamed(snapshot, first)}"


def _renamed(snapshot: Snapshot, paths: Sequence[Path]) -> str:
    renamed = ", ".join(f'"{old}" AS {new}' for old, new in OLD_NAMES.items())
    return f"(SELECT *, {renamed} FROM {_read(snapshot, paths)})"


def _columns(snapshot: Snapshot, name: str, paths: Sequence[Path]) -> str:
    """Return what to select from some files of a table: what they hold of its columns; the others are null."""
    held = frozenset[str]().union(*(snapshot.columns[path] for path in paths))
    if name == "groups":
        stored = {f"{GROUP_PREFIX}{m.name}": m for m in GROUP_MEASURES.values()}
        known = [f"{m.stored.format(column)} AS {m.name}" for column, m in stored.items() if column in held]
        return ", ".join([*_OF_GROUPS, *held.intersection(_MAY_LACK), *known])
    held |= {OLD_NAMES[old] for old in held & OLD_NAMES.keys()}
    return ", ".join(column for column, _, _ in table_columns(name) if column in held)


def _nothing(name: str, *, is_all: bool) -> str:
    """Return columns as null, of the table's own types: all of a table, or those that its files may lack."""
    lacking = {column.name for column in COLUMNS if not column.required} | {"mode", *GROUP_MEASURES}
    columns = [(column, kind) for column, kind, _ in table_columns(name) if is_all or column in lacking]
    return ", ".join(f"NULL::{KINDS[kind].sql} AS {column}" for column, kind in columns)


def _read(snapshot: Snapshot, paths: Sequence[Path], part: str = "") -> str:
    """Return SQL that reads files; only those of unlike columns are all opened before a question is answered."""
    is_mixed = len({(snapshot.columns[path], *snapshot.facts[path].reward_weights) for path in paths}) > 1
    literal = [glob.escape(str((path / part).absolute())) for path in paths]  # DuckDB takes a name for a pattern
    return f"read_parquet({_list(literal)}, union_by_name = {is_mixed}, hive_partitioning = false)"


def _list(paths: Sequence[str]) -> str:
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"
