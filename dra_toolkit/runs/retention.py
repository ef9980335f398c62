"""Which groups keep their texts, where `record_texts` keeps those of a share of them.

Batches are written whole; the share is applied when their files are joined, to the groups that are joined, so that nothing
is decided before the steps around it are known, and nothing but texts is ever left out. Of what is always worth keeping the
first reasons fill the share first; then others, drawn by a hash of who they are. When segments are joined again, so is
decided again: what was the last time of a prompt then may be so no more.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from dra_toolkit.groups import Mode
from dra_toolkit.runs.database import connect
from dra_toolkit.runs.store import GroupStore, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

REASONS = ("flips", "zero spread", "the worst or best of their step", "the first or last time of their prompt")
"""Groups of which texts are worth keeping, the most first."""
_PLACE = "step, batch, group_index"
_RANKED = f"""(
    SELECT mode, {_PLACE}, coalesce(texts_dropped, false) AS dropped, CASE
        WHEN flips > 0 THEN 0
        WHEN zero_spread THEN 1
        WHEN row_number() OVER (of_step ORDER BY reward NULLS LAST, batch, group_index) = 1 THEN 2
        WHEN row_number() OVER (of_step ORDER BY reward DESC NULLS LAST, batch, group_index) = 1 THEN 2
        WHEN row_number() OVER (of_prompt ORDER BY {_PLACE}) = 1 THEN 3
        WHEN row_number() OVER (of_prompt ORDER BY step DESC, batch DESC, group_index DESC) = 1 THEN 3
        ELSE 4 END AS rank
    FROM groups WINDOW of_step AS (PARTITION BY mode, step), of_prompt AS (PARTITION BY mode, prompt_hash))"""
"""Every group with the place of its reason in `REASONS`."""


def texts_to_drop(snapshot: Snapshot, joined: Snapshot, mode: Mode, share: float) -> dict[tuple[int, int], list[int]]:
    """Return batch -> the groups of it whose texts go, so that of all groups that are joined a share keeps them.

    snapshot: all of the run, which says what is the last time of a prompt. joined: what the new segment is read from, which
    says whose texts are still there.
    """
    with connect(joined, ["groups"]) as connection:
        joining = connection.sql(f"SELECT {_PLACE}, texts_dropped FROM groups").to_arrow_table()
    with connect(snapshot, ["groups"]) as connection:
        connection.register("joining", joining)
        found = connection.execute(
            f"SELECT {_PLACE} FROM joining JOIN {_RANKED} USING ({_PLACE}) WHERE mode = $1 "
            f"ORDER BY joining.texts_dropped IS TRUE, rank, md5(concat_ws(' ', {_PLACE})), {_PLACE}",
            [mode],
        ).fetchall()
    dropped: dict[tuple[int, int], list[int]] = {}
    for step, batch, group in found[math.ceil(share * len(found)) :]:
        dropped.setdefault((step, batch), []).append(group)
    return dropped


def without_texts(table: pa.Table, groups: Collection[int]) -> pa.Table:
    """Return the rows of a batch with the texts of some of its groups left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not groups:
        return table
    is_left_out = pc.is_in(table["group_index"], value_set=pa.array(sorted(groups), pa.int32()))
    for name in ("completion", "turns"):
        if name in table.column_names:
            column = table[name]
            kept = pc.if_else(is_left_out, pa.scalar(None, column.type), column)
            table = table.set_column(table.column_names.index(name), name, kept)
    before = table["texts_dropped"] if "texts_dropped" in table.column_names else pa.nulls(len(table), pa.bool_())
    names = [name for name in table.column_names if name != "texts_dropped"]
    return table.select(names).append_column("texts_dropped", pc.if_else(is_left_out, True, before))


def texts_left_out(store: GroupStore) -> str | None:
    """Return in one line how many groups' texts were not kept, and of which kinds worth keeping; None if all were."""
    snapshot = store.snapshot()
    if all(facts.record_texts >= 1 for facts in snapshot.facts.values()):
        return None
    with connect(snapshot, ["groups"]) as connection:
        sql = f"SELECT rank, count(*) FILTER (dropped), count(*) FROM {_RANKED} GROUP BY rank ORDER BY rank"
        found = connection.execute(sql).fetchall()
    dropped, groups = (sum(row[i] for row in found) for i in (1, 2))
    if not dropped:
        return None
    missed = [f"{count:,} with {REASONS[rank]}" for rank, count, _ in found if count and rank < len(REASONS)]
    also = f"; among those not kept: {', '.join(missed)}" if missed else ""
    return f"texts of {groups - dropped:,} of {groups:,} groups are kept (record_texts){also}"
