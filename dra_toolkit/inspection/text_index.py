"""What recorded texts may hold, so that a search opens only the steps in which it may find something.

For each compacted segment a file beside the groups, in `text_index`: for each stretch of a few megabytes of text a Bloom
filter of all sequences of four bytes in it, capitals as small letters. It says for certain what a stretch does not hold; the
rest is searched as it would be without. A file that is damaged, or not of the segment's texts as they are, says nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.runs.files import publish
from dra_toolkit.runs.names import Source
from dra_toolkit.runs.segments import TEXTS
from dra_toolkit.runs.store import GroupStore

FOLDER = "text_index"
GRAM = 4
STRETCH, ROWS = 4 << 20, 512
"""Bytes of text to a filter, at least; rows that are read at once."""
SHARE = 0.04
"""Size of the filters over that of the texts."""
MOST_GRAMS = 1 << 20
"""Different sequences of a stretch above which it may hold anything: no text of words has so many."""
_SEEDS = 0x9E3779B1, 0x85EBCA77
_FOLDS = tuple(sign.encode() for sign in "\u212a\u0130\u017f")
"""Kelvin, dotted I, long s: what some reader takes for a letter of ASCII where case is ignored."""
_END = 1 << 16
Needed = list[tuple[str, ...]]
"""What every match contains: of each tuple at least one text."""
Steps = tuple[int, int]


class Index(NamedTuple):
    """The filters of a segment: steps of each stretch, whether it has `_FOLDS`, and bits, (slots, stretches / 8)."""

    steps: list[Steps]
    folds: NDArray[np.bool_]
    bits: NDArray[np.uint8]

    def may_hold(self, needed: Needed, *, ignore_case: bool) -> list[Steps]:
        """Return the steps of each stretch that may hold what is needed."""
        found = np.ones(len(self.steps), dtype=bool)
        for texts in needed:
            found &= np.any([self._may_hold(text.encode(), ignore_case) for text in texts], axis=0)
        return [steps for steps, is_there in zip(self.steps, found, strict=True) if is_there]

    def _may_hold(self, text: bytes, ignore_case: bool) -> NDArray[np.bool_]:
        parts = re.split(rb"[\x80-\xff]+", text) if ignore_case else [text]
        grams = np.concatenate([found for part in parts for found in _grams(part)])
        rows = self.bits[np.concatenate(_slots(grams, len(self.bits)))]
        found = np.unpackbits(np.bitwise_and.reduce(rows, axis=0, initial=255), count=len(self.steps)).astype(bool)
        return found | self.folds if ignore_case else found


def steps_that_may_hold(store: GroupStore, needed: Needed, *, ignore_case: bool = False) -> list[Steps] | None:
    """Return the ranges of steps to search, ascending and apart; None for all, where no index leaves out anything."""
    snapshot = store.snapshot()
    indices = [(segment, read_index(segment)) for segment in snapshot.segments]
    if not needed or not any(index for _, index in indices):
        return None
    ranges: list[Steps] = [(file.first, file.first) for file in snapshot.files]
    for segment, index in indices:
        whole = [(segment.first, segment.last)]
        ranges += index.may_hold(needed, ignore_case=ignore_case) if index else whole
    found: list[Steps] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def needed_by(pattern: str) -> tuple[Needed, bool]:
    """Return what all matches of a regular expression contain, as far as that is known, and whether it ignores case itself.

    Python reads most of RE2's syntax as RE2 does; of what it might read otherwise nothing is said.
    """
    try:
        found = _parser.parse("" if "[:" in pattern else pattern)
        return _needed(found), bool(found.state.flags & re.IGNORECASE)
    except (ValueError, OverflowError, RecursionError, re.error):
        return [], False


def _needed(items: Any) -> Needed:
    found, run = list[tuple[str, ...]](), ""
    for operation, value in [*items, ("END", None)]:
        name = str(operation)
        if name == "LITERAL":
            run += chr(value)
            continue
        found, run = [*found, *([(run,)] if run else [])], ""
        if name == "SUBPATTERN" and not value[1] and not value[2]:
            found += _needed(value[3])
        elif name in ("MAX_REPEAT", "MIN_REPEAT") and value[0]:
            found += _needed(value[2])
        elif name == "BRANCH":
            ways = [max(_needed(way), key=lambda texts: min(map(len, texts)), default=()) for way in value[1]]
            found += [tuple(text for way in ways for text in way)] if all(ways) else []
    return found


def build_missing(groups: Path, *, stopped: Callable[[], bool] = lambda: False) -> int:
    """Make the index of each segment that has none, remove those of segments that are gone; return how many were made."""
    segments = GroupStore(groups).snapshot().segments
    folder, made = groups.parent / FOLDER, 0
    for path in [*folder.glob("[a-z]*")]:
        if path.name not in {segment.path.name for segment in segments}:
            path.unlink(missing_ok=True)
    for segment in segments:
        if read_index(segment) is None and (content := _content(segment.path / TEXTS, stopped)) is not None:
            folder.mkdir(exist_ok=True)
            publish(folder / segment.path.name, lambda file, content=content: file.write(content))  # type: ignore[misc]
            made += 1
    return made


@functools.cache
def build_later(groups: Path) -> None:
    """Make missing indices on a thread, once for each folder; where nothing can be written there are none."""

    def work() -> None:
        with contextlib.suppress(OSError, ValueError):
            build_missing(groups)

    threading.Thread(target=work, name="dra-text-index", daemon=True).start()


def read_index(segment: Source) -> Index | None:
    """Return the index of a segment's texts as they are now, or None."""
    path, texts = segment.path.parent.parent / FOLDER / segment.path.name, segment.path / TEXTS
    try:
        if path.is_symlink() or not path.is_file():
            return None
        versions = [(os.stat(each).st_size, os.stat(each).st_mtime_ns) for each in (path, texts)]
        return _read(path, texts, *versions)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.lru_cache(maxsize=4_096)
def _read(path: Path, texts: Path, *versions: tuple[int, int]) -> Index | None:
    """Return the index if it is whole and of these texts; each version of the two files is read once."""
    with open(path, "rb") as file:
        checksum, length = (int(word, 16) for word in file.readline(64).split())
        start = file.tell()
        head, found = json.loads(file.read(length)), 0
        file.seek(start)
        while piece := file.read(1 << 20):
            found = zlib.crc32(piece, found)
    if found != checksum or head["of"] != _identity(texts):
        return None
    shape = head["slots"], -(-len(head["steps"]) // 8)
    bits = np.memmap(path, dtype=np.uint8, mode="r", offset=start + length, shape=shape)
    return Index([(first, last) for first, last in head["steps"]], np.array(head["folds"], dtype=bool), bits)


def _identity(texts: Path) -> list[int]:
    """Return what tells these texts from others: the end of the file holds the checksums of all of it."""
    with open(texts, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        return [size, zlib.crc32(file.read())]


def _content(texts: Path, stopped: Callable[[], bool]) -> bytes | None:
    """Return what the file of an index holds, or None if it was stopped."""
    of, steps, folds, grams, size = _identity(texts), list[Steps](), list[bool](), list[NDArray[np.uint32] | None](), 0
    for of_stretch, text in _stretches(texts):
        if stopped():
            return None
        seen = np.zeros(1 << 24, dtype=bool)
        for found in _grams(text):
            seen[found] = True
        steps.append(of_stretch)
        folds.append(any(sign in text for sign in _FOLDS))
        distinct = np.flatnonzero(seen).astype(np.uint32)
        grams.append(distinct if len(distinct) <= MOST_GRAMS else None)
        size += len(text)
    width = -(-len(steps) // 8)
    bits = np.empty((max(64, int(size * SHARE / max(1, width))), width), dtype=np.uint8)
    for byte in range(width):
        columns = np.zeros((8, len(bits)), dtype=bool)
        for column, of_column in zip(columns, grams[8 * byte :], strict=False):
            for slots in [slice(None)] if of_column is None else _slots(of_column, len(bits)):
                column[slots] = True
        bits[:, byte] = np.packbits(columns, axis=0)[0]
    head = json.dumps({"of": of, "slots": len(bits), "steps": steps, "folds": folds}).encode()
    body = head + bits.tobytes()
    return b"%08x %x\n" % (zlib.crc32(body), len(head)) + body


def _stretches(texts: Path) -> Iterator[tuple[Steps, bytes]]:
    """Yield the texts of neighbouring rows, turns included, with their first and last step."""
    import pyarrow.parquet as pq

    held, steps = list[bytes](), list[int]()
    with pq.ParquetFile(texts) as file:
        names = [name for name in ("step", "completion", "turns") if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=ROWS, columns=names):
            steps += batch.column("step").to_pylist()
            columns = [batch.column("completion")]
            if "turns" in names:
                turns = batch.column("turns").flatten()
                columns += [turns.field("content"), turns.field("calls")]
            held += ["\n".join(text or "" for text in column.to_pylist()).encode() for column in columns]
            if sum(map(len, held)) >= STRETCH:
                yield (min(steps), max(steps)), b"\n".join(held)
                held, steps = [], []
    if steps:
        yield (min(steps), max(steps)), b"\n".join(held)


def _grams(text: bytes) -> Iterator[NDArray[np.uint32]]:
    """Yield numbers of 24 bits of the sequences of `GRAM` bytes that begin at each remainder of `GRAM`, in small letters."""
    text = text.lower()
    for offset in range(GRAM):
        count = max(0, len(text) - offset) // GRAM
        found = np.frombuffer(text if count else b"\0" * GRAM, "<u4", count, offset if count else 0)
        yield (found * np.uint32(_SEEDS[0])) >> np.uint32(8)


def _slots(grams: NDArray[Any], slots: int) -> list[NDArray[np.int64]]:
    mixed = [(grams.astype(np.uint64) * np.uint64(seed)) & np.uint64(0xFFFFFFFF) for seed in _SEEDS]
    return [((each * np.uint64(slots)) >> np.uint64(32)).astype(np.int64) for each in mixed]
