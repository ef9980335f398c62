"""Many small files made into few large ones, without a moment in which a reader finds less than everything.

A segment is published whole, then what it was made from is removed, a while later: a listing that was begun before, or
that a network file system still remembers, finds the one or the other. Whatever interrupts this, nothing is lost: until
the segment is published nothing changes, and afterwards the rule of `store` ignores what is there twice.

Where `record_texts` keeps a share of the texts, it is applied here, to the groups that are joined: what is always
worth keeping fills the share first, then others, drawn by a hash. When segments are joined again, so is decided again.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.runs.database import connect
from dra_toolkit.runs.files import publish_folder, remove_folder
from dra_toolkit.runs.names import MODES, Source, segment_folder
from dra_toolkit.runs.schema import KNOWN, OPTIONAL, SCHEMA_VERSION, FileFacts
from dra_toolkit.runs.segments import COMPLETIONS, GROUPS, TEXTS, Batch, SegmentReader, SegmentWriter
from dra_toolkit.runs.store import GroupStore, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

REASONS = ("flips", "zero spread", "the worst or best of their step", "the first or last time of their prompt")
"""Groups of which texts are worth keeping, the most first."""
_PLACE = "step, batch, group_index"
_RANKED = resources.files("dra_toolkit.runs").joinpath("ranked.sql").read_text(encoding="utf-8")
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


FILES = 64
"""Batch files that make a segment."""
FAN = 8
"""Neighbouring segments of about one size that make a larger one."""
MOST_BYTES = 256 << 20
"""Bytes on disk that are not joined further: finding a batch in a segment costs more the larger it is."""
GRACE = 120.0
"""Seconds before what a segment was made from is removed; longer than network file systems remember a listing."""


class CompactionStoppedError(Exception):
    """Compaction was asked to stop; nothing of what it was making is left."""


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What a compaction did: segments made, what went into them, and what was removed that is replaced."""

    segments: int
    sources: int
    removed: int


def compact(
    folder: Path,
    *,
    everything: bool = False,
    grace: float = GRACE,
    tell: Callable[[str], None] = lambda line: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Compacted:
    """Join what is due to be joined, and remove what earlier compactions replaced more than `grace` seconds ago.

    everything: join all files that there are, however few. tell: called with a line for each segment made.
    stopped: asked between batches; once it returns true, CompactionStoppedError is raised.
    Raises OSError if the folder cannot be written; what was published before stays as it was.
    """
    made, sources, store = 0, 0, GroupStore(folder)
    for mode in MODES:
        while (due := _due(store, mode, everything)) is not None:
            _join(store, mode, due, stopped)
            made, sources = made + 1, sources + len(due)
            tell(f"{mode}: {len(due)} files of groups are one segment")
    removed = remove_replaced(folder, grace)
    from dra_toolkit.inspection.text_index import build_missing  # what searches read, beside what they search

    build_missing(folder, stopped=stopped)
    return Compacted(segments=made, sources=sources, removed=removed)


def remove_replaced(folder: Path, grace: float = GRACE) -> int:
    """Remove what a segment holds instead, if the segment is older than `grace` seconds; return how many were removed."""
    removed = 0
    for segment in GroupStore(folder).snapshot().segments:
        with suppress(FileNotFoundError):
            is_due = time.time() - os.stat(segment.path).st_mtime >= grace
            for source in _sources(segment) if is_due else ():
                path = folder / source["name"]
                if _identity(path) == source:
                    remove_folder(path) if path.is_dir() else path.unlink(missing_ok=True)
                    removed += 1
    return removed


def _due(store: GroupStore, mode: Mode, everything: bool) -> list[Source] | None:
    """Return what is to be joined next, or None."""
    snapshot = store.snapshot(mode=mode)
    thins = any(facts.record_texts < 1 for facts in snapshot.facts.values())
    while thins and not store.require_sound(snapshot, {GROUPS}):
        snapshot = store.snapshot(mode=mode)  # what is damaged is not in it
    replaced = _replaced(snapshot.segments)
    whole = {path for path, columns in snapshot.columns.items() if columns <= KNOWN}  # nothing that would be lost
    files = [file for file in snapshot.files if file.path in whole and _identity(file.path) not in replaced]
    segments = [s for s in snapshot.segments if s.path in whole and _identity(s.path) not in replaced]
    fewest = FILES if not everything else 1 if segments or thins else 2
    for run in _alike(files, snapshot.facts):
        for start, end in _stretches([_bytes(file) for file in run], fewest, alike=False, alone=thins):
            return list(run[start:end])
    for run in _alike(segments, snapshot.facts):
        for start, end in _stretches([_bytes(s) for s in run], 2 if everything else FAN, alike=not everything):
            return list(run[start:end])
    return None


def _stretches(sizes: Sequence[int], fewest: int, *, alike: bool, alone: bool = False) -> Iterator[tuple[int, int]]:
    """Yield the first stretch of neighbours worth joining: at least `fewest`, or as many as are allowed together.

    alike: only neighbours of about the same size, so that what is large is not written again and again. alone: also one that
    is larger than what is allowed together.
    """
    for start in range(len(sizes)):
        total, end, is_full = 0, start, False
        while end < len(sizes) and not is_full:
            if alike and not sizes[start] / FAN <= sizes[end] <= sizes[start] * FAN:
                break
            is_full = total + sizes[end] > MOST_BYTES
            total += sizes[end]
            end += not is_full or (alone and end == start)
        if end - start >= (min(1 if alone else 2, fewest) if is_full else fewest):
            yield start, end
            return


def _alike(sources: Sequence[Any], facts: dict[Path, FileFacts]) -> Iterator[list[Any]]:
    """Yield neighbours whose facts are the same."""
    ordered = sorted(sources, key=lambda source: source.key)
    yield from (list(run) for _, run in itertools.groupby(ordered, key=lambda source: _facts(facts, source)))


def _facts(facts: dict[Path, FileFacts], source: Source) -> FileFacts:
    return replace(facts[source.path], version=SCHEMA_VERSION)


def _join(store: GroupStore, mode: Mode, sources: Sequence[Source], stopped: Callable[[], bool]) -> None:
    """Publish a segment with the newest version of every batch of the sources."""
    snapshot = store.snapshot(mode=mode)
    wanted = _wanted(store, snapshot.segments, sources)
    facts = _facts(snapshot.facts, sources[0])
    optional = frozenset().union(*(snapshot.columns[source.path] for source in sources)) & frozenset(OPTIONAL)
    thins, joined = facts.record_texts < 1, _joined(store, snapshot, wanted)
    dropped = texts_to_drop(snapshot, joined, mode, facts.record_texts) if thins else {}
    optional |= {"texts_dropped"} if dropped else set()
    sequence = 1 + max((segment.sequence for segment in store.listing().segments), default=0)

    def write(folder: Path) -> None:
        writer = SegmentWriter(folder, facts, optional, _identities(sources))
        for batch in sorted(wanted):
            if stopped():
                raise CompactionStoppedError
            table = store.read_batch(wanted[batch], batch)
            if table is None:
                name = wanted[batch].path.name
                raise RunError(f"{store.folder / name}: {store.problems[name]}; it cannot be compacted")
            writer.add(without_texts(table, dropped.get(batch, ())))
        writer.close()

    publish_folder(store.folder / segment_folder(mode, min(wanted)[0], max(wanted)[0], sequence), write)


def _wanted(store: GroupStore, segments: Sequence[Source], sources: Sequence[Source]) -> dict[Batch, Source]:
    """Return the batches that the new segment must hold, each with where its newest version is.

    The new segment will be the newest of all, so it must not hold what an older one outside of the sources has in a newer
    version than they. What has a file of its own may be in it or not: the file holds before any segment.
    """
    chosen = {source.path for source in sources}
    wanted: dict[Batch, Source] = {}
    replaced = _replaced(segments)
    for segment in sorted(segments, key=lambda s: s.order):
        if segment.path in chosen:
            wanted |= dict.fromkeys(store.batches_of(segment), segment)
        elif _identity(segment.path) not in replaced:
            for batch in store.batches_of(segment):
                wanted.pop(batch, None)
    return wanted | {file.key: file for file in sources if not file.is_segment}


def _joined(store: GroupStore, snapshot: Snapshot, wanted: dict[Batch, Source]) -> Snapshot:
    """Return what a new segment is read from."""
    sources = set(wanted.values())
    segments = tuple(source for source in sources if source.is_segment)
    unwanted = {s.path: frozenset(b for b in store.batches_of(s) if wanted.get(b) != s) for s in segments}
    hidden = {path: batches for path, batches in unwanted.items() if batches}
    return replace(snapshot, files=tuple(sources.difference(segments)), segments=segments, hidden=hidden)


def _sources(segment: Source) -> list[dict[str, Any]]:
    with closing(SegmentReader(segment.path)) as reader:
        return reader.sources


def _identities(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the identities of sources, and of what they were made from as far as it still stands."""
    own = [found for source in sources if (found := _identity(source.path))]
    inherited = [before for source in sources if source.is_segment for before in _sources(source)]
    return own + [before for before in inherited if _identity(sources[0].path.with_name(before["name"])) == before]


def _replaced(segments: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the identity of everything that one of the segments was made from."""
    return [source for segment in segments for source in _sources(segment)]


def _identity(path: Path) -> dict[str, Any] | None:
    """Return what tells this version of a file or folder from another of the same name, or None if there is none."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return {"name": path.name, "size": stat.st_size, "time": stat.st_mtime_ns}


def _bytes(source: Source) -> int:
    files = [source.path / COMPLETIONS, source.path / TEXTS] if source.is_segment else [source.path]
    return sum(os.stat(file).st_size for file in files)
