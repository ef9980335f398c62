"""What stands in groups/, told by name alone.

train-00000012-000.parquet                      one generation batch: mode, step, batch
train-00000001-00000064-s000003-9f2c41d0/       a segment: many batches of these steps, compacted; the third one made
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.runs.files import TEMPORARY_PREFIX

MODES: tuple[Mode, ...] = ("train", "eval", "discarded")
_MODE = "|".join(MODES)
_BATCH = re.compile(rf"(?P<mode>{_MODE})-(?P<step>\d{{8,}})-(?P<batch>\d{{3,}})\.parquet")
_SEGMENT = re.compile(
    rf"(?P<mode>{_MODE})-(?P<first>\d{{8,}})-(?P<last>\d{{8,}})-s(?P<sequence>\d{{6,}})-[0-9a-f]{{8}}"
)


@dataclass(frozen=True, kw_only=True, order=True)
class BatchName:
    """A file with one generation batch."""

    mode: Mode
    step: int
    batch: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class SegmentName:
    """A folder with many batches."""

    mode: Mode
    first: int
    """First step that it holds batches of."""
    last: int
    sequence: int
    """Counts the segments of a run in the order in which they were made; the newest version of a batch holds."""
    path: Path

    @property
    def order(self) -> tuple[int, str]:
        """What makes one segment newer than another; the name decides between two that were made at the same time."""
        return self.sequence, self.path.name


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder of groups holds, by name."""

    batches: tuple[BatchName, ...]
    segments: tuple[SegmentName, ...]
    foreign: tuple[str, ...]


def batch_file(record: GroupRecord) -> str:
    """Return the name of the file of a record's batch: its identity, so that a repeated batch replaces itself."""
    return f"{record.mode}-{record.step:08d}-{record.batch:03d}.parquet"


def segment_folder(mode: Mode, first: int, last: int, sequence: int) -> str:
    """Return a name for a new segment that no other process makes at the same time."""
    return f"{mode}-{first:08d}-{last:08d}-s{sequence:06d}-{os.urandom(4).hex()}"


def list_folder(folder: Path) -> Listing:
    """Return what a folder of groups holds; an absent one holds nothing."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX))
    except FileNotFoundError:
        names = []
    found = [(name, _parse(folder, name)) for name in names]
    return Listing(
        batches=tuple(sorted(f for _, f in found if isinstance(f, BatchName))),
        segments=tuple(f for _, f in found if isinstance(f, SegmentName)),
        foreign=tuple(name for name, f in found if f is None),
    )


def overlapping(segments: tuple[SegmentName, ...]) -> Iterator[tuple[SegmentName, SegmentName]]:
    """Yield (older, newer) for every two segments of one mode whose steps overlap."""
    by_start = sorted(segments, key=lambda s: (s.mode, s.first))
    for i, left in enumerate(by_start):
        for right in by_start[i + 1 :]:
            if right.mode != left.mode or right.first > left.last:
                break
            yield (left, right) if left.order < right.order else (right, left)


@functools.lru_cache(maxsize=50_000)  # a folder that is followed is listed every few seconds
def _parse(folder: Path, name: str) -> BatchName | SegmentName | None:
    path = folder / name
    if match := _BATCH.fullmatch(name):
        return BatchName(mode=cast(Mode, match["mode"]), step=int(match["step"]), batch=int(match["batch"]), path=path)
    if match := _SEGMENT.fullmatch(name):
        return SegmentName(
            mode=cast(Mode, match["mode"]),
            first=int(match["first"]),
            last=int(match["last"]),
            sequence=int(match["sequence"]),
            path=path,
        )
    return None


def quoted_name(name: str) -> str:
    """Return the name of a column as SQL has it, whatever signs it is made of."""
    return '"' + name.replace('"', '""') + '"'
