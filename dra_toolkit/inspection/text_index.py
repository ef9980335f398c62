"""What recorded texts may hold, so that a search opens only the steps in which it may find something.

For each compacted segment a file beside the groups, in `text_index`: for each stretch of a few megabytes of text a Bloom
filter of all sequences of four bytes in it, capitals as small letters. It says for certain what a stretch does not hold; the
rest is searched as it would be without. A file that is damaged, or not of the segment's texts as they are, says nothing.
"""

import atexit
import contextlib
import functools
import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.runs.files import publish
from dra_toolkit.runs.names import Source
from dra_toolkit.runs.segments import TEXTS
from dra_toolkit.runs.store import GroupStore

FOLDER = "text_index"
GRAM, FORM = 4, 2  # what an index of an earlier form says nothing of may be there
STRETCH = 4 << 20
"""Bytes of text to a filter: at least half of it, a row group more at most."""
SEARCHED = ("completion", "turns")
SHARE = 0.04
"""Size of the filters over that of the texts."""
_SEEDS = 0x9E3779B1, 0x85EBCA77
_FOLDS = tuple(sign.encode() for sign in "\u212a\u0130\u017f")
"""Kelvin, dotted I, long s: what some reader takes for a letter of ASCII where case is ignored."""
_SETS = re.compile(r"\[[^]]*(?:\[|--|&&|\|\||~~)|\[:")  # what Python warns of, or reads otherwise
_END = 1 << 16
Needed = list[tuple[str, ...]]
"""What every match contains: of each tuple at least one text."""
Steps = tuple[int, int]


class Index(NamedTuple):
    """The filters of a segment: steps of each stretch, whether it has `_FOLDS`, where bits, (slots, stretches / 8), are.

    Bits are read where they are asked for: mapped into memory, all of them would count as this process's.
    """

    steps: list[Steps]
    folds: NDArray[np.bool_]
    file: BinaryIO
    start: int
    slots: int

    def may_hold(self, needed: Needed, *, ignore_case: bool) -> list[Steps]:
        """Return the steps of each stretch that may hold what is needed."""
        found = np.ones(len(self.steps), dtype=bool)
        for texts in needed:
            found &= np.any([self._may_hold(text.encode(), ignore_case) for text in texts], axis=0)
        return [steps for steps, is_there in zip(self.steps, found, strict=True) if is_there]

    def _may_hold(self, text: bytes, ignore_case: bool) -> NDArray[np.bool_]:
        parts = re.split(rb"[\x80-\xff]+", text) if ignore_case else [text]
        grams = np.concatenate([found for part in parts for found in _grams(part)])
        width = -(-len(self.steps) // 8)
        bits = np.full(width, 255, dtype=np.uint8)
        for slot in np.unique(np.concatenate(_slots(grams, self.slots))).tolist():
            bits &= np.frombuffer(os.pread(self.file.fileno(), width, self.start + slot * width), dtype=np.uint8)
        found = np.unpackbits(bits, count=len(self.steps)).astype(bool)
        return found | self.folds if ignore_case else found


def steps_that_may_hold(store: GroupStore, needed: Needed, *, ignore_case: bool = False) -> list[Steps] | None:
    """Return the ranges of steps to search, ascending and apart; None for all, where no index leaves out anything."""
    snapshot = store.snapshot()
    indices = [(segment, read_index(segment)) for segment in snapshot.segments]
    if not needed or not any(index for _, index in indices):
        return None
    ranges: list[Steps] = [(file.first, file.first) for file in snapshot.files]
    for segment, index in indices:
        ranges += index.may_hold(needed, ignore_case=ignore_case) if index else [(segment.first, segment.last)]
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
        found = _parser.parse("" if _SETS.search(pattern) else pattern)
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
    ends = threading.Event()

    def work() -> None:
        with contextlib.suppress(OSError, ValueError):
            build_missing(groups, stopped=ends.is_set)

    thread = threading.Thread(target=work, name="dra-text-index", daemon=True)
    for last in (thread.join, ends.set):  # the latter first: an interpreter that ends while Arrow works aborts
        atexit.register(last)
    thread.start()


def read_index(segment: Source) -> Index | None:
    """Return the index of a segment's texts as they are now, or None."""
    path, texts = segment.path.parent.parent / FOLDER / segment.path.name, segment.path / TEXTS
    with suppress(OSError, ValueError, KeyError, TypeError):
        if path.is_file() and not path.is_symlink():
            return _read(path, texts, *((os.stat(each).st_size, os.stat(each).st_mtime_ns) for each in (path, texts)))
    return None


@functools.lru_cache(maxsize=32)  # each keeps a file open
def _read(path: Path, texts: Path, *versions: tuple[int, int]) -> Index | None:
    """Return the index, its file open, if it is whole and of these texts; each version of the two files is read once."""
    with ExitStack() as unless_whole:
        file = unless_whole.enter_context(open(path, "rb"))
        checksum, length = (int(word, 16) for word in file.readline(64).split())
        start = file.tell()
        head, found = json.loads(file.read(length)), 0
        file.seek(start)
        while piece := file.read(1 << 20):
            found = zlib.crc32(piece, found)
        if found != checksum or head["of"] != _identity(texts):
            return None
        steps = [(first, last) for first, last in head["steps"]]
        unless_whole.pop_all()
        return Index(steps, np.array(head["folds"], dtype=bool), file, start + length, int(head["slots"]))


def _identity(texts: Path) -> list[int]:
    """Return what tells these texts from others: the end of the file holds the checksums of all of it."""
    with open(texts, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        return [FORM, size, zlib.crc32(file.read())]


def _content(texts: Path, stopped: Callable[[], bool]) -> bytes | None:
    """Return what the file of an index holds, or None if it was stopped; one stretch is in memory at a time."""
    import pyarrow.parquet as pq

    of, steps, folds = _identity(texts), list[Steps](), list[bool]()
    with pq.ParquetFile(texts) as file:
        planned, size = _stretches(file.metadata)
        bits = np.zeros((max(64, int(size * SHARE / max(1, -(-len(planned) // 8)))), -(-len(planned) // 8)), np.uint8)
        for number, row_groups in enumerate(planned):
            if stopped():
                return None
            held, text = _read_texts(file, row_groups)
            seen = np.zeros(1 << 24, dtype=bool)
            for found in _grams(text):
                seen[found] = True
            for slots in _slots(np.flatnonzero(seen), len(bits)):
                bits[slots, number // 8] |= 0x80 >> number % 8
            steps.append(held)
            folds.append(any(sign in text for sign in _FOLDS))
    head = json.dumps({"of": of, "slots": len(bits), "steps": steps, "folds": folds}).encode()
    checksum = zlib.crc32(bits.data, zlib.crc32(head))
    return b"".join((b"%08x %x\n" % (checksum, len(head)), head, bits.data))


def _stretches(metadata: Any) -> tuple[list[list[int]], int]:
    """Return the row groups of each stretch, and the bytes of all texts; a stretch ends with a step if it can."""
    planned, sizes, last = list[list[int]](), [0], None
    for number in range(metadata.num_row_groups):
        columns = [metadata.row_group(number).column(place) for place in range(metadata.num_columns)]
        of_step = next(c.statistics for c in columns if c.path_in_schema == "step")
        size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema.partition(".")[0] in SEARCHED)
        enough = STRETCH if getattr(of_step, "min", None) == last else STRETCH // 2
        if not planned or sizes[-1] >= enough:
            planned.append([])
            sizes.append(0)
        planned[-1].append(number)
        sizes[-1] += size
        last = getattr(of_step, "max", None)
    return planned, sum(sizes)


def _read_texts(file: Any, row_groups: list[int]) -> tuple[Steps, bytes]:
    """Return the first and last step of some row groups, and their texts, turns included."""
    table = file.read_row_groups(row_groups, columns=["step", *SEARCHED], use_threads=False)
    held: list[str | None] = table["completion"].to_pylist()
    if "turns" in table.column_names:
        turns = table["turns"].combine_chunks().flatten()
        said = zip(turns.field("content").to_pylist(), turns.field("calls").to_pylist(), strict=True)
        held += [text for each in said for text in each]  # as they are searched: a text, and its calls on the next line
    steps = table["step"].to_numpy()
    return (int(steps.min()), int(steps.max())), "\n".join(text or "" for text in held).encode()


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
