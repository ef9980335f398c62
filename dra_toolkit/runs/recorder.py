"""Write recorded groups in the background: one immutable Parquet file for each generation batch, compacted later."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.runs.compaction import FILES, CompactionStoppedError, compact, texts_left_out
from dra_toolkit.runs.files import publish, remove_temporaries
from dra_toolkit.runs.names import batch_file
from dra_toolkit.runs.parquet import seal, write_options
from dra_toolkit.runs.rows import to_table
from dra_toolkit.runs.schema import FileFacts
from dra_toolkit.runs.store import GroupStore

QUEUED_BATCHES = 8
"""Batches that may wait for the disk before the trainer waits too."""
KEPT_BATCHES = 256
"""Batches kept in memory while the disk refuses them; beyond it the oldest is given up, counted and told."""
LOOK_EVERY = FILES // 4
"""Files written between two looks whether something is due to be compacted."""

Batch = tuple[FileFacts, Sequence[GroupRecord]]


class Recorder:
    """One background thread that publishes batches of groups in the order in which they were submitted.

    A write that fails never stops training: the batch is kept and tried again with the next one, `tell` is called once
    with the reason, and once more when writing works again. `close` waits for what can be written.
    """

    def __init__(self, folder: Path, facts: FileFacts, *, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self.lost = 0
        """Batches given up because the disk refused them for too long."""
        self._facts = facts
        self._tell = tell
        self._queue: queue.Queue[Batch | None] = queue.Queue(maxsize=QUEUED_BATCHES)
        self._waiting: deque[Batch] = deque()
        self._failing = False
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(folder)
        self._compactor = Compactor(folder, tell=tell, thins=facts.record_texts < 1)
        self._thread = threading.Thread(target=self._work, name="dra-recorder", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[GroupRecord], **facts: Any) -> None:
        """Hand over the groups of one generation batch, of which other facts may hold; waits if the disk is far behind."""
        if records:
            self._queue.put((replace(self._facts, **facts), tuple(records)))

    def flush(self) -> None:
        """Wait until everything submitted was written, or was tried and is kept for later."""
        self._queue.join()

    def close(self) -> None:
        """Write what is left and stop the thread; tells how many batches could not be written."""
        self._queue.put(None)
        self._thread.join()
        self._compactor.close()
        if self._waiting or self.lost:
            self._tell(f"{len(self._waiting) + self.lost} generation batches could not be recorded in {self.folder}")

    def _work(self) -> None:
        while True:
            batch = self._queue.get()
            if batch is not None:
                if len(self._waiting) == KEPT_BATCHES:
                    self._waiting.popleft()
                    self.lost += 1
                self._waiting.append(batch)
            self._write_waiting()
            self._queue.task_done()
            if batch is None:
                return

    def _write_waiting(self) -> None:
        while self._waiting:
            try:
                self._write(*self._waiting[0])
            except OSError as error:
                if not self._failing:
                    self._tell(
                        f"recording: {self.folder} cannot be written ({error.strerror}); training goes on, "
                        "the groups are kept in memory and tried again with every batch"
                    )
                self._failing = True
                return
            except Exception as error:  # not the disk but the batch: it must not take the thread, and training, along
                self.lost += 1
                self._tell(f"recording: step {self._waiting[0][1][0].step} cannot be stored and is lost ({error!r})")
            self._waiting.popleft()
        if self._failing:
            self._failing = False
            self._tell(f"recording: {self.folder} can be written again; {self.lost} batches were lost")

    def _write(self, facts: FileFacts, records: Sequence[GroupRecord]) -> None:
        import pyarrow.parquet as pq

        table = to_table(records, facts)

        def write(file: BinaryIO) -> None:
            pq.write_table(table, file, **write_options(table.schema))
            seal(file)

        publish(self.folder / batch_file(records[0]), write)
        self._compactor.poke()


class Compactor:
    """Compacts a folder of groups beside the recording; trouble is told once and never raised."""

    def __init__(self, folder: Path, *, tell: Callable[[str], None], thins: bool = False) -> None:
        self._folder, self._tell, self._thins = folder, tell, thins
        self._written = 0
        self._failed = False
        self._stop = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="dra-compactor")
        self._last = self._worker.submit(self._compact)  # an earlier attempt may have left something to do

    def poke(self) -> None:
        """Count one more file; returns at once."""
        self._written += 1
        if (self._thins or self._written % LOOK_EVERY == 0) and self._last.done():
            self._last = self._worker.submit(self._compact)

    def close(self) -> None:
        """Stop; a segment that is being made is given up, nothing is lost by it. Then the share of the texts is applied."""
        self._stop.set()
        self._worker.shutdown()
        if self._thins:
            self._stop.clear()
            self._compact(everything=True, grace=0)
            if told := texts_left_out(GroupStore(self._folder)):
                self._tell(f"recording: {told}")

    def _compact(self, **how: Any) -> None:
        try:
            compact(self._folder, stopped=self._stop.is_set, **how)
            self._failed = False
        except CompactionStoppedError:
            return
        except (OSError, RunError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if not self._failed:
                self._tell(f"recording: {self._folder} cannot be compacted ({why}); its files stay as they are")
            self._failed = True
