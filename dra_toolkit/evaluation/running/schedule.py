"""Run jobs on slots: each failed one once more, the rest goes on, and what happens is told as it happens."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.models.targets import Target
from dra_toolkit.evaluation.running.gpu_slots import Slot
from dra_toolkit.evaluation.running.plan import CheckpointWork, write_job
from dra_toolkit.evaluation.settings import Engine
from dra_toolkit.launch.command import how_it_ended

POLL_SECONDS = 0.1
ATTEMPTS = 2
USER_MISTAKE = 2
LESS_MEMORY = 0.85
"""What an engine that ran out of memory gets of what it had before."""

Show = Callable[[dict[str, Any]], None]
"""Shows one event."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A checkpoint that could not be evaluated."""

    label: str
    problems: tuple[str, ...]
    log: Path | None = None
    is_gone: bool = False
    """Whether its folder was deleted before its turn, so that there is nothing to mend."""


@dataclass(kw_only=True)
class _Running:
    """A job on its slot."""

    row: CheckpointWork
    engine: Engine
    attempt: int
    folder: Path
    slot: Slot
    position: int = 0
    problems: tuple[str, ...] = ()

    @property
    def job(self) -> Path:
        return self.folder / "job.json"


class Schedule:
    """The slots and what runs on them."""

    def __init__(self, slots: Sequence[Slot], *, engine: Engine, logs: Path, scorers: int, show: Show) -> None:
        """logs: gets a folder for every attempt; scorers: processes that score beside each job."""
        self._slots, self._engine, self._logs, self._scorers, self._show = slots, engine, logs, scorers, show
        self._started = 0

    def run(self, rows: Sequence[CheckpointWork], look: Callable[[], object] = lambda: None) -> list[Failure]:
        """Evaluate what is missing of every row; return what failed twice, or was deleted before its turn.

        look: called again and again meanwhile
        """
        waiting = deque((row, self._engine, 1) for row in rows)
        running: list[_Running] = []
        failures: list[Failure] = []
        while waiting or running:
            busy = {id(job.slot) for job in running}
            for slot in self._slots:
                while waiting and waiting[0][0].target.is_gone:
                    failures.append(_gone(waiting.popleft()[0].target))
                if waiting and id(slot) not in busy:
                    running.append(self._start(slot, *waiting.popleft()))
            look()
            time.sleep(POLL_SECONDS)
            for job in list(running):
                self._tell_new(job)
                status = _status(job)
                if status is None:
                    continue
                self._tell_new(job)
                running.remove(job)
                if status == 0:
                    self._show({"event": "checkpoint", "label": job.row.target.label, "state": "finished"})
                elif job.row.target.is_gone:
                    failures.append(_gone(job.row.target))
                elif status == USER_MISTAKE or job.attempt == ATTEMPTS:
                    failures.append(self._failure(job, status))
                else:
                    waiting.appendleft((job.row, self._after(job), job.attempt + 1))
        return failures

    def _start(self, slot: Slot, row: CheckpointWork, engine: Engine, attempt: int) -> _Running:
        self._started += 1
        folder = _new_folder(self._logs / row.target.label)
        path = write_job(row, engine, folder, scorers=self._scorers)
        self._show({"event": "checkpoint", "label": row.target.label, "state": "started", "slot": slot.name})
        slot.send(path, self._logs / f"{slot.name}.log")
        return _Running(row=row, engine=engine, attempt=attempt, folder=folder, slot=slot)

    def _tell_new(self, job: _Running) -> None:
        try:
            with open(job.folder / "events.jsonl", "rb") as file:
                file.seek(job.position)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        job.position += len(whole)
        for line in whole.splitlines():
            event = json.loads(line)
            if event["event"] == "error":
                job.problems = tuple(event["problems"])
            else:
                self._show({**event, "label": job.row.target.label, "slot": job.slot.name})

    def _after(self, job: _Running) -> Engine:
        """Return the engine for the second attempt: with less memory if that was what it lacked."""
        label = job.row.target.label
        self._show({"event": "notice", "text": f"{label}: failed, is tried once more; its output is in {job.folder}"})
        text = _tail(job.folder / "output.log").lower()
        if "out of memory" not in text and "outofmemory" not in text:
            return job.engine
        return replace(
            job.engine,
            gpu_memory_utilization=round(job.engine.gpu_memory_utilization * LESS_MEMORY, 3),
            batch_size=max(1, job.engine.batch_size // 2) if job.engine.batch_size else 0,
        )

    def _failure(self, job: _Running, status: int) -> Failure:
        log = job.folder / "output.log"
        label = job.row.target.label
        if job.problems:
            problems = tuple(f"{label}: {problem}" for problem in job.problems)
        else:
            last = next((line for line in reversed(_tail(log).splitlines()) if line.strip()), "no output")
            problems = (
                f"{label}: its process {how_it_ended(status)} twice ({last.strip()[:200]}); its output is in {log}",
            )
        self._show({"event": "checkpoint", "label": label, "state": "failed"})
        return Failure(label=label, problems=problems, log=log)


def _gone(target: Target) -> Failure:
    return Failure(label=target.label, problems=(target.why_gone,), is_gone=True)


def _status(job: _Running) -> int | None:
    """Return how a job ended, None while it runs."""
    try:
        return int(json.loads(job.job.with_suffix(".status").read_text(encoding="utf-8"))["status"])
    except FileNotFoundError:
        if job.slot.lives():
            return None
        status = job.slot.process.returncode if job.slot.process else 1
        return status or 1


def _new_folder(parent: Path) -> Path:
    numbers = [int(p.name.removeprefix("attempt-")) for p in parent.glob("attempt-*") if p.name[8:].isdigit()]
    return parent / f"attempt-{max(numbers, default=0) + 1}"


def _tail(path: Path, size: int = 20_000) -> str:
    try:
        return path.read_bytes()[-size:].decode("utf-8", "replace")
    except OSError:
        return ""
