"""Files of the first version as the present one has them: they had `group` for `group_index` and no measures of a group.

Measures that follow from a group's rows are computed from them in SQL; answers, and what needs the texts, stay unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.runs.facts import FileFacts
from dra_toolkit.runs.kinds import KINDS
from dra_toolkit.runs.rows import starts_of
from dra_toolkit.runs.schema import GROUP_KEY, GROUP_PREFIX, OLD_NAMES, columns_of

if TYPE_CHECKING:
    import pyarrow as pa


def renewed(table: pa.Table, facts: FileFacts, *, measured: bool = True) -> pa.Table:
    """Return the rows of whole groups as the present version has them, whatever the version of their file.

    measured: whether with the numbers of the groups.
    """
    if facts.version != 1:
        return table
    import duckdb

    table = table.rename_columns([OLD_NAMES.get(name, name) for name in table.column_names])
    if not measured:
        return table
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
