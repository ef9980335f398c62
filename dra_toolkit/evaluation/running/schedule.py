"""Run jobs on slots until nothing is missing: each failed one once more, the rest goes on, other processes beside it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child.process import USER_MISTAKE
from dra_toolkit.evaluation.models.targets import Target
from dra_toolkit.evaluation.results.claims import Claims, shards
from dra_toolkit.evaluation.results.stored import is_finished
from dra_toolkit.evaluation.running.gpu_slots import Slot
from dra_toolkit.evaluation.running.job import Started
from dra_toolkit.evaluation.running.plan import LOGS_FOLDER, BenchmarkWork, CheckpointWork, job_of
from dra_toolkit.evaluation.settings import Engine
from dra_toolkit.launch.command import how_it_ended

POLL_SECONDS, LOOK_SECONDS = 0.1, 1.0
ATTEMPTS = 2

Show = Callable[[dict[str, Any]], None]
"""Shows one event."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A checkpoint that could not be evaluated."""

    label: str
    problems: tuple[str, ...]
    is_gone: bool = False
    """Whether its folder was deleted before its turn, so that there is nothing to mend."""


class Schedule:
    """The slots and what runs on them."""

    def __init__(self, slots: Sequence[Slot], *, engine: Engine, evals: Path, scorers: int, show: Show) -> None:
        """evals: gets a folder with the log of every attempt; scorers: processes that score beside each job."""
        self._slots, self._engine, self._evals, self._scorers, self._show = slots, engine, evals, scorers, show
        self._running: dict[Started, CheckpointWork] = {}

    def run(self, rows: Sequence[CheckpointWork], look: Callable[[], object] = lambda: None) -> list[Failure]:
        """Evaluate what is missing of every row; return what failed twice, or was deleted before its turn.

        A row is worked on by as many slots, and other processes, as there are shards left of it; those that nobody works
        on come first. look: called again and again meanwhile
        """
        self._attempts: Counter[str] = Counter()
        self._failures: dict[str, Failure] = {}
        is_waiting = False
        left, looked = list(rows), 0.0
        while True:
            if self._attend() or time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                left = [row for row in left if row.target.label not in self._failures]
                left = [row for row in left if not all(is_finished(cell.folder) for cell in row.missing)]
                busy = {job.slot.name for job in self._running}
                for slot in self._slots:
                    if slot.name not in busy:
                        self._start_next(slot, left)
                if not self._running and not left:
                    return list(self._failures.values())
                if not self._running and not is_waiting:
                    self._show({"event": "phase", "text": "waiting for other processes that evaluate the rest"})
                is_waiting = not self._running
            look()
            wait([job.sentinel for job in self._running], POLL_SECONDS)  # an end is seen at once, progress now and then

    def end(self) -> None:
        """End every job, at once; every finished answer is on disk."""
        while self._running:
            self._running.popitem()[0].end()

    def _start_next(self, slot: Slot, rows: Sequence[CheckpointWork]) -> None:
        """Start a job on a slot if any row has a shard that is free."""
        workers = Counter(row.target.label for row in self._running.values())
        found = []
        for place, row in enumerate(rows):
            label = row.target.label
            if row.target.is_gone:
                self._failures[label] = gone(row.target)
            elif label not in self._failures and sum(map(_open, row.missing)) > workers[label]:
                others = any(Claims(cell.folder).is_worked_on() for cell in row.missing)
                found.append((workers[label] + others, place, row))
        if found:
            self._start(slot, min(found, key=lambda each: each[:2])[2])

    def _start(self, slot: Slot, row: CheckpointWork) -> None:
        label = row.target.label
        folder = _new_folder(self._evals / LOGS_FOLDER / label)
        self._show({"event": "checkpoint", "label": label, "state": "started", "slot": slot.name})
        job = job_of(row, self._engine, self._evals, scorers=self._scorers)
        self._running[Started(job, slot, folder / "output.log")] = row

    def _attend(self) -> bool:
        """Show what the jobs tell; return whether one has ended."""
        running = len(self._running)
        for job, row in list(self._running.items()):
            status, label = job.status(), row.target.label
            for event in job.events() if status is None else job.end():
                if event["event"] == "error":
                    job.problems = tuple(event["problems"])
                else:
                    self._show({**event, "label": label, "slot": job.slot.name})
            if status is None:
                continue
            del self._running[job]
            self._attempts[label] += status != 0
            if status == 0:
                self._show({"event": "checkpoint", "label": label, "state": "finished"})
            elif row.target.is_gone:
                self._failures[label] = gone(row.target)
            elif status == USER_MISTAKE or self._attempts[label] >= ATTEMPTS:
                self._failures[label] = self._failure(job, label, status)
            else:
                text = f"{label}: failed, is tried once more; its output is in {job.log}"
                self._show({"event": "notice", "text": text})
        return len(self._running) < running

    def _failure(self, job: Started, label: str, status: int) -> Failure:
        last = ["no output", *job.output()][-1]
        ended = f"its process {how_it_ended(status)} twice ({last[:200]}); its output is in {job.log}"
        self._show({"event": "checkpoint", "label": label, "state": "failed"})
        problems = tuple(f"{label}: {problem}" for problem in job.problems or (ended,))
        return Failure(label=label, problems=problems)


def gone(target: Target) -> Failure:
    """Return what is told of a checkpoint that was deleted before its turn."""
    return Failure(label=target.label, problems=(target.why_gone,), is_gone=True)


def _open(cell: BenchmarkWork) -> int:
    """Return how many shards of a benchmark nobody works on."""
    if is_finished(cell.folder):
        return 0
    return Claims(cell.folder).open(shards(range(cell.prepared.answers)))


def _new_folder(parent: Path) -> Path:
    """Make the folder of an attempt; another process may be making the same one."""
    for number in count(1):
        with suppress(FileExistsError):
            (parent / f"attempt-{number}").mkdir(parents=True)
            break
    return parent / f"attempt-{number}"
