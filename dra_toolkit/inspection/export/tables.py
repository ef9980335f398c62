"""Exported rows: one schema for all batches of a selection, whatever changed along the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import FileFacts, Run

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Iterator["pa.Table"]


def export_schema(run: Run, selection: Selection) -> pa.Schema:
    """Return the columns of an export: those of the recorded rows, in types that every reader of Parquet knows."""
    import pyarrow as pa

    from dra_toolkit.runs.schema import OPTIONAL, arrow_schema

    facts = [one for mode in selection.modes for one in run.facts(mode)]
    names = dict.fromkeys(name for one in facts for name in one.reward_weights)
    whole = FileFacts(
        run=run.name,
        reward_weights=dict.fromkeys(names, 1.0),
        scale_rewards="",
        diversity=facts[0].diversity,
        embedder="",
    )
    fields = []
    for field in arrow_schema(whole, optional=frozenset(OPTIONAL)):
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        elif kind == pa.list_(pa.float16()):
            kind = pa.list_(pa.float32())
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


def rows(run: Run, selection: Selection, schema: pa.Schema) -> Tables:
    """Yield the chosen rows of each generation batch with the columns of the schema; what a batch lacks is null."""
    import pyarrow as pa

    for _, table in selection.tables(run):
        columns = [
            _column(table, field) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in schema
        ]
        yield pa.table(columns, schema=schema)


def _column(table: pa.Table, field: pa.Field) -> pa.Array:
    import pyarrow as pa

    found = table[field.name].combine_chunks()
    if field.name != "rewards":
        return found.cast(field.type)
    there = {found.type.field(i).name: found.field(i) for i in range(found.type.num_fields)}
    columns = [there.get(inner.name, pa.nulls(len(found), inner.type)) for inner in field.type]
    return pa.StructArray.from_arrays(columns, fields=list(field.type))
