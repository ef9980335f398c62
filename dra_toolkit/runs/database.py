"""The recorded groups as tables for SQL: DuckDB in memory over the published files, which are only ever read.

steps         a row for each mode and step: means over its groups
groups        a row for each group: who it is, its measures
completions   a row for each completion: rewards, similarity, weight, advantages; everything but the texts
texts         a row for each completion: prompt and text
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dra_toolkit.runs.group_measures import ARROW_TYPES, MEANINGS
from dra_toolkit.runs.names import BatchName
from dra_toolkit.runs.rows import of_this_version
from dra_toolkit.runs.schema import COLUMNS, GROUP_PREFIX, OPTIONAL, FileFacts, columns_of
from dra_toolkit.runs.segments import COMPLETIONS, FILES, GROUPS, TEXTS
from dra_toolkit.runs.store import Snapshot

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "700MB"
"""What DuckDB may hold in memory; it goes on with temporary files, where it is allowed any."""
PARTS = {"groups": GROUPS, "completions": COMPLETIONS, "texts": TEXTS}
TABLES = ("steps", *PARTS)
GROUP_KEY = ("mode", "step", "batch", "group_index")
_OF_GROUPS = (*GROUP_KEY, "attempt", "prompt_hash")
_SUMMED = ("flips",)
"""Measures of which a step has the sum; of the others it has the mean."""


def connect(snapshot: Snapshot, tables: Sequence[str] = TABLES) -> duckdb.DuckDBPyConnection:
    """Return a connection in which the groups of a snapshot are the tables above; it can read and write nothing else.

    tables: those of them that will be asked; each costs the opening of its files.
    """
    import duckdb

    connection = duckdb.connect(config={"memory_limit": MEMORY, "autoinstall_known_extensions": False})
    current = [file for file in snapshot.files if snapshot.facts[file.path].version == FileFacts.version]
    old = [file for file in snapshot.files if snapshot.facts[file.path].version != FileFacts.version]
    if old:
        connection.register("old_rows", _old_rows(old, snapshot))
    wanted = {*tables, "groups"} if "steps" in tables else {*tables}
    for name, part in PARTS.items():
        if name not in wanted:
            continue
        selects = [*_from_segments(snapshot, name, part), *_from_files(current, name)]
        if old:
            selects.append(f"SELECT {_columns(name)} FROM old_rows{_only_first(name)}")
        selects.append(f"SELECT {_nothing(name, only_optional=bool(selects))} WHERE false")
        body = " UNION ALL BY NAME ".join(selects)
        connection.execute(f'CREATE VIEW "{name}" AS {body}')
    if "steps" in tables:
        connection.execute(f"CREATE VIEW steps AS {_steps()}")
    inside = [segment.path / file for segment in snapshot.segments for file in FILES]
    allowed = [*(file.path for file in snapshot.files), *inside]
    connection.execute(f"SET allowed_paths = {_list(allowed)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def table_columns(name: str) -> list[tuple[str, str, str]]:
    """Return name, type and meaning of each column of a table."""
    described = {column.name: (column.type, column.meaning) for column in COLUMNS}
    if name == "steps":
        shared = [("mode", *described["mode"]), ("step", *described["step"]), ("groups", "int64", "groups of the step")]
        return shared + [
            (m, "float64", f"{'sum' if m in _SUMMED else 'mean'} over the groups: {said}")
            for m, said in MEANINGS.items()
        ]
    if name == "groups":
        keys = [(column, *described[column]) for column in _OF_GROUPS]
        return keys + [(m, ARROW_TYPES[m], said) for m, said in MEANINGS.items()]
    return [(column, *described[column]) for column in columns_of("key", "number" if name == "completions" else "text")]


def _steps() -> str:
    measures = ", ".join(
        f"{'sum' if m in _SUMMED else 'avg'}({m}{'::INT' if ARROW_TYPES[m] == 'bool' else ''}) AS {m}" for m in MEANINGS
    )
    return f'SELECT mode, step, count(*) AS groups, {measures} FROM "groups" GROUP BY mode, step'


def _from_segments(snapshot: Snapshot, name: str, part: str) -> list[str]:
    whole = [s.path / part for s in snapshot.segments if s.path not in snapshot.hidden]
    selects = [f"SELECT {_columns(name)} FROM {_read(whole)}"] if whole else []
    for segment in snapshot.segments:
        if segment.path in snapshot.hidden:
            hidden = ", ".join(f"({step}, {batch})" for step, batch in sorted(snapshot.hidden[segment.path]))
            selects.append(
                f"SELECT {_columns(name)} FROM {_read([segment.path / part])} WHERE (step, batch) NOT IN ({hidden})"
            )
    return selects


def _from_files(files: Sequence[BatchName], name: str) -> list[str]:
    return [f"SELECT {_columns(name)} FROM {_read([f.path for f in files])}{_only_first(name)}"] if files else []


def _only_first(name: str) -> str:
    return " WHERE completion_index = 0" if name == "groups" else ""


def _columns(name: str) -> str:
    """Return what to select from the files of a table."""
    if name == "groups":
        return ", ".join([*_OF_GROUPS, *(f"{GROUP_PREFIX}{m} AS {m}" for m in MEANINGS)])
    return f"COLUMNS('^({'|'.join(columns_of('key', 'number' if name == 'completions' else 'text'))})$')"


def _nothing(name: str, *, only_optional: bool) -> str:
    """Return columns of nulls: all of a table without files, or those that its files may all leave out."""
    types = {
        "int32": "INT",
        "float64": "DOUBLE",
        "bool": "BOOL",
        "list<float32>": "FLOAT[]",
        "list<float16>": "FLOAT[]",
    }
    types |= {"messages": "STRUCT(role VARCHAR, content VARCHAR)[]", "rewards": "STRUCT(none DOUBLE)"}
    columns = [c for c in table_columns(name) if not only_optional or c[0] in ("mode", *OPTIONAL)]
    return ", ".join(f"NULL::{types.get(kind, 'VARCHAR')} AS {column}" for column, kind, _ in columns)


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = false)"


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(path.absolute()).replace("'", "''") + "'" for path in paths) + "]"


def _old_rows(files: Sequence[BatchName], snapshot: Snapshot) -> pa.Table:
    """Return the rows of files of an older schema as this version has them, in memory: such runs are few and small."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [of_this_version(pq.read_table(file.path), snapshot.facts[file.path]) for file in files]
    return pa.concat_tables(tables, promote_options="permissive")
