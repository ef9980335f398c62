"""What stands in groups/, told by name alone.

train-00000012-000.parquet                      one generation batch: mode, step, batch
train-00000001-00000064-s000003-9f2c41d0/       a segment: many batches of these steps, compacted; the third one made
"""

import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.runs.files import TEMPORARY_PREFIX

MODES: tuple[Mode, ...] = ("train", "eval", "discarded")
_NAME = re.compile(
    rf"(?P<mode>{'|'.join(MODES)})-(?P<first>\d{{8,}})-"
    r"(?:(?P<batch>\d{3,})\.parquet|(?P<last>\d{8,})-s(?P<sequence>\d{6,})-[0-9a-f]{8})"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Source:
    """A file with one generation batch, or a segment: a folder with many batches."""

    mode: Mode
    first: int
    """The step of a batch, or the first step that a segment holds batches of."""
    batch: int = -1
    """Which generation batch of the step; -1 for a segment."""
    last: int
    sequence: int = 0
    """Counts the segments of a run in the order in which they were made; the newest version of a batch holds."""
    path: Path

    @property
    def is_segment(self) -> bool:
        return self.batch < 0

    @property
    def key(self) -> tuple[int, int]:
        """Step and generation batch of a file."""
        return self.first, self.batch

    @property
    def order(self) -> tuple[int, str]:
        """What makes one segment newer than another; the name decides between two that were made at the same time."""
        return self.sequence, self.path.name


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder of groups holds, by name."""

    batches: tuple[Source, ...]
    segments: tuple[Source, ...]
    foreign: tuple[str, ...]


def batch_file(record: GroupRecord) -> str:
    """Return the name of the file of a record's batch: its identity, so that a repeated batch replaces itself."""
    return f"{record.mode}-{record.step:08d}-{record.batch:03d}.parquet"


def segment_folder(mode: Mode, first: int, last: int, sequence: int) -> str:
    """Return a name for a new segment that no other process makes at the same time."""
    return f"{mode}-{first:08d}-{last:08d}-s{sequence:06d}-{os.urandom(4).hex()}"


def list_folder(folder: Path, mode: Mode | None = None) -> Listing:
    """Return what a folder of groups holds, of one mode or all, a link being foreign; an absent one holds nothing."""
    if mode not in (None, *MODES):
        raise RunError(f"mode: found {mode!r}, expected one of {', '.join(MODES)}{did_you_mean(str(mode), MODES)}")
    try:
        with os.scandir(folder) as entries:
            own = (entry for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX))
            names = sorted((entry.name, entry.is_symlink()) for entry in own)
    except FileNotFoundError:
        names = []
    found = [(name, None if is_link else _parse(folder, name)) for name, is_link in names]
    wanted = [f for _, f in found if f and mode in (None, f.mode)]
    return Listing(
        batches=tuple(sorted(f for f in wanted if not f.is_segment)),
        segments=tuple(f for f in wanted if f.is_segment),
        foreign=tuple(name for name, f in found if f is None),
    )


def is_own_name(name: object) -> bool:
    """Return whether a file or folder of recorded groups can have this name: nothing that leads elsewhere."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def overlapping(segments: tuple[Source, ...]) -> Iterator[tuple[Source, Source]]:
    """Yield (older, newer) for every two segments of one mode whose steps overlap."""
    by_start = sorted(segments, key=lambda s: (s.mode, s.first))
    for i, left in enumerate(by_start):
        for right in by_start[i + 1 :]:
            if right.mode != left.mode or right.first > left.last:
                break
            yield (left, right) if left.order < right.order else (right, left)


@functools.lru_cache(maxsize=50_000)  # a folder that is followed is listed every few seconds
def _parse(folder: Path, name: str) -> Source | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    first = int(match["first"])
    where: dict[str, Any] = {"mode": cast(Mode, match["mode"]), "first": first, "path": folder / name}
    if match["batch"]:
        return Source(**where, batch=int(match["batch"]), last=first)
    return Source(**where, last=int(match["last"]), sequence=int(match["sequence"]))


def quoted_name(name: str) -> str:
    """Return the name of a column as SQL has it, whatever signs it is made of."""
    return '"' + name.replace('"', '""') + '"'
