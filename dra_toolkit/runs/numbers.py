"""The numbers of a run without its texts, many generation batches at a time: for questions that go through all of it.

Among these is what the recorded groups say of each prompt's history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.runs.names import Source
from dra_toolkit.runs.rows import numbers_of, starts_of
from dra_toolkit.runs.schema import FileFacts
from dra_toolkit.runs.segments import COMPLETIONS, Batch, SegmentReader
from dra_toolkit.runs.store import ALL_STEPS, LOOKS, GroupStore
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    import pyarrow as pa

    from dra_toolkit.runs.reader import Run

ROWS_AT_ONCE = 65_536
"""Rows decoded at once: about 20 MB of them are held at any time."""
AHEAD = 2
"""Pieces that are decoded while another is worked on."""
KEYS = ("step", "batch", "group_index")
Numbers = Iterator[tuple[FileFacts, "pa.Table"]]


def read_numbers(
    store: GroupStore, columns: Sequence[str], *, mode: Mode = "train", steps: tuple[int, int] | None = None
) -> Iterator[tuple[FileFacts, pa.Table]]:
    """Yield `KEYS` and columns of the table `completions`, of whole generation batches and in bounded memory.

    Rows of a batch are together and in group order; batches come about by step, each once. What is replaced meanwhile is
    read in its new place. A file that turns out damaged is left out from there on, and named in the store's `problems`.
    An optional column that a file does not hold is not in its tables.
    """
    yield from _ahead(_read(store, [*KEYS, *columns], mode, steps or ALL_STEPS))


def _read(store: GroupStore, columns: list[str], mode: Mode, steps: tuple[int, int]) -> Numbers:
    done: set[Batch] = set()
    for _ in range(LOOKS):
        with suppress(FileNotFoundError):
            snapshot = store.snapshot(mode=mode, steps=steps)
            for source in sorted([*snapshot.files, *snapshot.segments], key=lambda source: source.key):
                facts = snapshot.facts[source.path]
                hidden = snapshot.hidden.get(source.path, frozenset())
                for table in _source(store, source, columns):
                    left, read = _only(table, steps, done | hidden)
                    done.update(read)
                    if read:
                        yield facts, left
            return
    raise RunError(f"{store.folder}: files vanish faster than they can be read")


def _source(store: GroupStore, source: Source, columns: list[str]) -> Iterator[pa.Table]:
    if not source.is_segment:
        table = store.read_batch(source, source.key)
        if table is not None:
            yield table.select([name for name in columns if name in table.column_names])
        return
    try:
        with closing(SegmentReader(source.path)) as segment:
            segment.require_sound(COMPLETIONS)
        yield from _whole_batches(source.path / COMPLETIONS, columns)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        store.problems[source.path.name] = f"cannot be read ({first_line(error)})"


def _whole_batches(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of a file in pieces that end where a generation batch ends."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept: pa.Table | None = None
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for piece in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
            table = pa.Table.from_batches([piece])
            table = table if kept is None else pa.concat_tables([kept, table]).combine_chunks()
            end = int(starts_of(table, KEYS[:2])[-2])
            kept = table.slice(end)
            if end:
                yield table.slice(0, end)
    if kept is not None and len(kept):
        yield kept


def _only(table: pa.Table, steps: tuple[int, int], unwanted: Collection[Batch]) -> tuple[pa.Table, list[Batch]]:
    """Return the rows of the generation batches of some steps, and which these are."""
    starts = starts_of(table, KEYS[:2])
    step, batch = (numbers_of(table[name])[starts[:-1]].tolist() for name in KEYS[:2])
    there = list(zip(step, batch, strict=True))
    keep = [steps[0] <= key[0] <= steps[1] and key not in unwanted for key in there]
    if not all(keep):
        table = table.filter(np.repeat(keep, np.diff(starts)))
    return table, [key for key, is_kept in zip(there, keep, strict=True) if is_kept]


def _ahead(tables: Numbers) -> Numbers:
    """Yield the same from a thread that reads a little ahead, so that decoding and arithmetic take turns on no core."""
    with ThreadPoolExecutor(1, thread_name_prefix="dra-numbers") as reader:
        waiting = deque(reader.submit(next, tables, None) for _ in range(AHEAD))
        while (found := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(next, tables, None))
            yield found


class Visit(NamedTuple):
    """One recorded group of a prompt, by its hash; place: step, batch and group."""

    place: tuple[int, ...]
    prompt: str
    right: int
    wrong: int


def visits(run: Run, *, mode: Mode = "train", until: int | None = None) -> list[Visit]:
    """Return every recorded group in the order in which they were trained on; `until` is the last step.

    Right is what the reward function that tells gave, or, where none does, a positive total.
    """
    sql = resources.files("dra_toolkit.runs").joinpath("visits.sql").read_text(encoding="utf-8")
    rows = run.query(sql, [mode, (1 << 31) - 1 if until is None else until])
    found = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    return [Visit(place=tuple(place), prompt=p, right=right, wrong=size - right) for *place, p, size, right in found]
