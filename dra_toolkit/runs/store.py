"""The published groups of a run as one consistent whole, whatever a trainer or a compaction does meanwhile.

A batch may be published more than once: sampled again after a resume, or compacted while its own file still stands. One
rule says which version holds: a batch's own file before any segment, a newer segment before an older one. Readers take a
snapshot by listing the folder; nothing is locked.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.runs.names import Listing, Source, list_folder, overlapping
from dra_toolkit.runs.parquet import SOUND, RowReader, require_sound, version_of, why_undecodable
from dra_toolkit.runs.rows import accept_whole, check_rows, numbers_of, renewed
from dra_toolkit.runs.schema import FileFacts, read_facts
from dra_toolkit.runs.segments import Batch, SegmentReader, led_astray
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    import pyarrow as pa

ALL_STEPS = (0, 1 << 62)
LOOKS = 20
"""How often a read is tried again when files were replaced under it."""
Contents = tuple[FileFacts, frozenset[str], bool]
"""What holds for all groups of a file or segment, the names of its columns, and whether it is a file without a seal."""
Look = TypeVar("Look", bound=Callable[..., Any])
_columns = functools.lru_cache(maxsize=64)(frozenset[str])  # one for the thousands of files that have the same


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a run's groups were made of at one moment; files that cannot be read are not in it."""

    files: tuple[Source, ...]
    segments: tuple[Source, ...]
    hidden: dict[Path, frozenset[Batch]] = field(default_factory=dict)
    """Segment -> those of its batches of which a newer version holds."""
    facts: dict[Path, FileFacts] = field(default_factory=dict)
    """File or segment -> what holds for all its groups."""
    columns: dict[Path, frozenset[str]] = field(default_factory=dict)
    """File or segment -> the names of its columns."""
    unsealed: frozenset[Path] = frozenset()
    """The files that another tool or version wrote."""


def _looking_again(look: Look) -> Look:
    """Make a question look anew if a file was replaced under it."""

    @functools.wraps(look)
    def asked(*given: Any, **named: Any) -> Any:
        for _ in range(LOOKS):
            with suppress(FileNotFoundError):
                return look(*given, **named)
        return look(*given, **named)

    return cast(Look, asked)


class GroupStore:
    """The groups of a run in a folder, for reading."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: dict[str, str] = {}
        """Name -> why it was skipped, of the files met so far."""
        self._checked: dict[tuple[str, int, int], Contents | str] = {}
        self._indices: dict[Path, list[Batch]] = {}
        self._open: SegmentReader | None = None
        self._looking = threading.Lock()  # so that threads that ask at once do not all open every file
        self._reading = threading.Lock()  # one reader is kept open, and threads of a server share it

    def listing(self, mode: Mode | None = None) -> Listing:
        """Return what there is by name; foreign files are noted in `problems`."""
        listing = list_folder(self.folder, mode)
        for name in listing.foreign:
            self.problems[name] = "not a file of recorded groups, or a link, left alone"
        return listing

    @_looking_again
    def snapshot(self, *, mode: Mode | None = None, steps: tuple[int, int] | None = None) -> Snapshot:
        """Return what can be read of one mode, or all, and of the steps from first to last, or all.

        Torn and foreign files and those of a newer schema are named in `problems` and left out.
        """
        listing = self.listing(mode)
        low, high = steps or ALL_STEPS
        found: dict[Path, Contents] = {}
        files = [b for b in listing.batches if low <= b.first <= high and self._holds(b.path, found)]
        segments = [s for s in listing.segments if s.first <= high and low <= s.last and self._holds(s.path, found)]
        hidden = {s.path: {f.key for f in files if f.mode == s.mode and s.first <= f.first <= s.last} for s in segments}
        for older, newer_segment in overlapping(tuple(segments)):
            hidden[older.path].update(self.batches_of(newer_segment))
        return Snapshot(
            files=tuple(files),
            segments=tuple(segments),
            hidden={path: frozenset(batches) for path, batches in hidden.items() if batches},
            facts={path: facts for path, (facts, _, _) in found.items()},
            columns={path: columns for path, (_, columns, _) in found.items()},
            unsealed=frozenset(path for path, (_, _, is_unsealed) in found.items() if is_unsealed),
        )

    def batches_of(self, segment: Source) -> list[Batch]:
        """Return the batches that a segment holds, hidden ones included."""
        if segment.path not in self._indices:
            with closing(SegmentReader(segment.path)) as reader:
                self._indices[segment.path] = reader.batches()
        return self._indices[segment.path]

    def read_batch(self, source: Source, batch: Batch, index: int | None = None) -> pa.Table | None:
        """Return the rows of a batch, or of one group of it; None, with the reason in `problems`, if they are damaged."""
        try:
            if source.is_segment:
                with self._reading:
                    return self._segment(source).read(batch, index)
            return _rows_of_file(source.path, index)
        except FileNotFoundError:
            with self._reading:
                self._open = None
            raise
        except (RunError, OSError, ValueError, MemoryError) as error:
            self.problems[source.path.name] = f"cannot be read ({first_line(error)})"
            return None

    @_looking_again
    def steps(self, mode: Mode = "train") -> list[int]:
        """Return the steps with recorded groups, ascending."""
        listing = self.listing(mode)
        found = {file.first for file in listing.batches}
        for segment in listing.segments:
            if self._holds(segment.path, {}):
                found.update(step for step, _ in self.batches_of(segment))
        return sorted(found)

    def read(
        self, *, mode: Mode = "train", steps: tuple[int, int] | None = None, with_texts: bool = False
    ) -> Iterator[tuple[FileFacts, pa.Table]]:
        """Yield the rows of each batch with its file's facts, by step and batch, one batch in memory at a time.

        What is replaced while this runs is read in its new place, and nothing is yielded twice. with_texts: only the rows
        whose texts were kept.
        """
        done: tuple[int, int] = (-1, -1)
        first, last = steps or ALL_STEPS
        for _ in range(LOOKS):
            try:
                snapshot = self.snapshot(mode=mode, steps=(first, last))
                for batch, source in self._in_order(snapshot, (first, last)):
                    if batch > done:
                        table = self.read_batch(source, batch)
                        done = batch
                        if table is not None and with_texts:
                            table = table.filter(table["completion"].is_valid())
                        if table is not None:
                            yield snapshot.facts[source.path], table
                return
            except FileNotFoundError:
                first = max(first, done[0])
        raise RunError(f"{self.folder}: files vanish faster than they can be read")

    @_looking_again
    def read_group(self, mode: Mode, batch: Batch, index: int) -> tuple[FileFacts, pa.Table] | None:
        """Return the rows of one group with its file's facts, or None if it was not recorded."""
        snapshot = self.snapshot(mode=mode, steps=(batch[0], batch[0]))
        source = next((found for held, found in self._in_order(snapshot, (batch[0], batch[0])) if held == batch), None)
        rows = None if source is None else self.read_batch(source, batch, index)
        return (snapshot.facts[source.path], rows) if source is not None and rows is not None and len(rows) else None

    def require_sound(self, snapshot: Snapshot, parts: Collection[str]) -> bool:
        """Return whether files that SQL will read are as they were written; those that are not are refused from then on.

        parts: which files of the segments.
        """
        places = [(file, "") for file in snapshot.files] + [(s, part) for s in snapshot.segments for part in parts]
        with self._looking, ThreadPoolExecutor(max_workers=2) as workers:
            unsealed = {path: snapshot.columns[path] for path in snapshot.unsealed if version_of(path) not in SOUND}
            if len(unsealed) > 8:  # fewer are each looked at alone sooner
                accept_whole(unsealed)
            left = [(source, part) for source, part in places if version_of(source.path / part) not in SOUND]
            broken = list((map if len(left) == 1 else workers.map)(lambda place: _why_broken(*place), left))
        for (source, part), why in zip(left, broken, strict=True):
            if why:
                self._refuse(source.path, f"{part} is damaged ({why})" if part else f"damaged ({why})")
        return not any(broken)

    def damaged(self) -> list[Path]:
        """Decode every file, checksums included, and return those that cannot be; they are skipped from then on."""
        found = []
        for source in (*self.listing().batches, *self.listing().segments):
            for path in sorted(source.path.iterdir()) if source.path.is_dir() else [source.path]:
                if why := why_undecodable(path):
                    self._refuse(source.path, f"{path.name} cannot be read ({why})" if path != source.path else why)
                    found.append(path)
        return found

    def _in_order(self, snapshot: Snapshot, steps: tuple[int, int]) -> list[tuple[Batch, Source]]:
        """Return each batch of a snapshot of one mode with where it is read from, by step and batch."""
        found: list[tuple[Batch, Source]] = [(file.key, file) for file in snapshot.files]
        for segment in snapshot.segments:
            hidden = snapshot.hidden.get(segment.path, frozenset())
            there = (batch for batch in self.batches_of(segment) if steps[0] <= batch[0] <= steps[1])
            found += [(batch, segment) for batch in there if batch not in hidden]
        return sorted(found, key=lambda item: item[0])

    def _segment(self, segment: Source) -> SegmentReader:
        """Return an open reader of a segment; the last one is kept, since batches are read in order."""
        if self._open is None or self._open.folder != segment.path:
            if self._open is not None:
                self._open.close()
            self._open = SegmentReader(segment.path)
        return self._open

    def _holds(self, path: Path, contents: dict[Path, Contents]) -> bool:
        """Return whether a file or segment can be read, by its footers, and put what it says of itself into `contents`."""
        version = version_of(path)  # what was replaced since it was listed is found by the next look
        with self._looking:
            found: Contents | str | None = led_astray(path) if path.is_dir() else None
            found = found or self._checked.get(version) or self._checked.setdefault(version, _contents_of(path))
        if isinstance(found, str):
            self.problems[path.name] = found
        else:
            contents[path] = found
        return path in contents

    def _refuse(self, path: Path, why: str) -> None:
        self._checked[version_of(path)] = why
        self.problems[path.name] = why


def _rows_of_file(path: Path, index: int | None) -> pa.Table:
    """Return the rows of a batch's own file, or of one group of it; the numbers of groups only with whole batches."""
    with closing(RowReader(path)) as reader:
        table = renewed(*_sound_rows(path, reader), measured=index is None)
    if index is None:
        return table
    rows = (numbers_of(table["group_index"]) == index).nonzero()[0].tolist()
    return table.slice(rows[0] if rows else 0, len(rows))


def _why_broken(source: Source, part: str) -> str | None:
    """Return why a file, or a part of a segment, is not as it was written; None if it is."""
    try:
        if not source.is_segment:
            require_sound(source.path, functools.partial(_sound_rows, source.path))
            return None
        with closing(SegmentReader(source.path)) as segment:
            segment.require_sound(part)
    except FileNotFoundError:
        raise
    except (RunError, OSError, ValueError, MemoryError) as error:
        return first_line(error)
    return None


def _contents_of(path: Path) -> Contents | str:
    """Return what a file or segment says of itself, or why it cannot be read."""
    try:
        if path.is_dir():
            with closing(SegmentReader(path)) as segment:
                segment.check()
                return segment.facts(), segment.columns(), False
        with closing(RowReader(path)) as reader:
            facts = read_facts(reader.schema, path.name)
            _check_name(path, {name: reader.ends_of(name) for name in ("step", "batch")})
            return facts, _columns(tuple(reader.schema.names)), not reader.is_sealed
    except RunError as error:
        return str(error).removeprefix(f"{path.name}: ")
    except FileNotFoundError:
        if path.is_dir():
            return "torn: a file of the segment is missing"
        raise
    except (OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        return f"torn or not Parquet ({first_line(error)})"


def _sound_rows(path: Path, reader: RowReader) -> tuple[pa.Table, FileFacts]:
    """Return the rows of a file; raises ValueError if another tool or version wrote others than its name promises."""
    found, facts = reader.rows(0, len(reader)), read_facts(reader.schema, path.name)
    if not reader.is_sealed:
        table = renewed(found, facts, measured=False)
        first = check_rows(table)[:-1].tolist()
        _check_name(path, {name: {table[name][i].as_py() for i in first} for name in ("mode", "step", "batch")})
    return found, facts


def _check_name(path: Path, held: Mapping[str, set[Any]]) -> None:
    """Raise RunError if a file holds a mode, step or batch that its name does not promise."""
    mode, step, batch = path.name.removesuffix(".parquet").split("-")
    named = {"mode": mode, "step": int(step), "batch": int(batch)}
    for name, values in held.items():
        if found := values - {named[name]}:
            raise RunError(f"holds {name} {min(found)}, which its name does not say: it was copied or renamed")
