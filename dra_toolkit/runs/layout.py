"""Where everything of a run lies, and who may write there.

recipe.yaml        the recipe as it was given
resolved.json      every setting and where it came from; what the training processes read
environment.json   versions and hardware
status.json        running, finished, stopped or failed, and how far
metrics.jsonl      one line for each logged step
groups/            the recorded groups: a Parquet file for each generation batch, and segments of many
checkpoints/       checkpoint-STEP folders, as the trainer saves them
trackers/          what W&B, trackio and TensorBoard write
hub/               checkpoints on their way to the Hub, removed when they are there
logs/attempt-N/    what the processes of the N-th start printed; events.jsonl tells the progress, resolved.json its settings
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs.files import publish_text, read_json, read_text
from dra_toolkit.runs.metrics import unreadable_lines
from dra_toolkit.safe_text import first_line

EVALUATIONS = "evals"
STOP_FILE = "stop"
"""A file of this name in an attempt's log folder asks its processes, on every host, to save and stop."""
EVENTS_PIPE = "events.pipe"
"""A named pipe there, through which the launcher hears what a full disk keeps out of events.jsonl."""


class _Inside:
    """The path of something in a run."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: RunDirectory, owner: type[RunDirectory]) -> Path:
        return run.path / self.name


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    recipe = _Inside("recipe.yaml")
    resolved = _Inside("resolved.json")
    environment = _Inside("environment.json")
    status_file = _Inside("status.json")
    metrics = _Inside("metrics.jsonl")
    groups = _Inside("groups")
    checkpoints = _Inside("checkpoints")
    logs = _Inside("logs")

    def attempt_logs(self, attempt: int) -> Path:
        return self.logs / f"attempt-{attempt}"

    def last_attempt(self) -> int:
        """Return the number of the newest start of this run; 0 if it never started."""
        return max((int(p.name[8:]) for p in self.logs.glob("attempt-*") if p.name[8:].isdecimal()), default=0)

    def exists(self) -> bool:
        """Return whether a run lives here."""
        return self.resolved.is_file()

    def create(self, recipe: Recipe, *, is_new: bool = False) -> None:
        """Make an empty run of `recipe`; raises RunError if the place cannot be written, or another start came first."""
        try:
            for folder in (self.groups, self.checkpoints, self.logs):
                folder.mkdir(parents=True, exist_ok=not is_new)
            publish_text(self.recipe, recipe.text)
            publish_text(self.resolved, recipe.to_json())
        except FileExistsError:
            raise RunError(f"output_dir: another start is making a run in {self.path}; choose another place") from None
        except OSError as error:
            raise RunError(f"output_dir: {self.path} cannot be written ({error.strerror})") from None

    def recorded_nothing(self) -> bool:
        """Return whether nothing of the run would be lost: it does not go on, and has no group, metric or checkpoint."""
        if self.is_held() or self.status().get("state") in ("running", "finished"):
            return False
        left = (any(self.groups.glob("*")), any(self.checkpoints.glob("*")))
        return not any(left) and not (self.metrics.is_file() and self.metrics.stat().st_size)

    def start_attempt(self) -> int:
        """Make the log folder of the next start, with a copy of its settings, and return its number, from 1."""
        attempt = self.last_attempt() + 1
        self.attempt_logs(attempt).mkdir(parents=True)
        shutil.copyfile(self.resolved, self.attempt_logs(attempt) / self.resolved.name)
        return attempt

    def delete(self) -> Path | None:
        """Remove the run and everything in it but its evaluations; refuses a folder that is not a run.

        Evaluations can have taken longer than the training: they are moved beside the run, and where to is returned.
        """
        if not self.exists():
            raise RunError(f"{self.path}: not a run directory (no resolved.json), left alone")
        aside = None
        if any((self.path / EVALUATIONS).glob("*/*/*/*.json*")):
            names = (self.path.with_name(f"{self.path.name}-{EVALUATIONS}-{number}") for number in itertools.count(1))
            aside = (self.path / EVALUATIONS).rename(next(name for name in names if not name.exists()))
        shutil.rmtree(self.path)
        return aside

    def read_recipe(self) -> Recipe:
        """Return the resolved recipe."""
        try:
            return Recipe.from_json(read_text(self.resolved), self.resolved)
        except (OSError, ValueError) as error:
            raise RunError(f"{self.resolved}: cannot be read ({getattr(error, 'strerror', None) or error})") from None

    def write_status(self, state: str, **facts: Any) -> None:
        """Say how the run stands: running, finished, stopped or failed."""
        publish_text(self.status_file, json.dumps({"state": state, "time": time.time(), **facts}) + "\n")

    def status(self) -> dict[str, Any]:
        """Return the run's state; `killed` where it says running but no process holds it any more.

        `unknown` where the file says nothing of the kind, and in `problem` what is wrong with it.
        """
        try:
            found = read_json(self.status_file)
        except FileNotFoundError:
            return {"state": "not started"}
        except (OSError, ValueError) as error:
            return {"state": "unknown", "problem": f"{self.status_file.name}: cannot be read ({first_line(error)})"}
        if not isinstance(found, dict) or not isinstance(found.get("state"), str):
            return {"state": "unknown", "problem": f"{self.status_file.name}: does not say how the run stands"}
        if found.get("state") == "running" and not self.is_held():
            return {**found, "state": "killed"}
        return found

    def problems(self) -> list[str]:
        """Return a line for each file, groups apart, that is there and cannot be read, or not all of it."""
        return [found for found in (self.status().get("problem"), unreadable_lines(self.metrics)) if found]

    @contextmanager
    def held(self, name: str = ".lock") -> Iterator[None]:
        """Hold the run for writing; raises RunError if another process trains in it.

        It only keeps two trainers apart, or as `.launch` two launchers, and ends with the process that holds it.
        """
        with open(self.path / name, "a+") as file:
            if not _locked_at_last(file):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise RunError(
                    f"{self.path}: process {holder} is still training in this run; stop it first (kill {holder})"
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_held(self) -> bool:
        """Return whether a process is training in this run."""
        with suppress(FileNotFoundError), open(self.path / ".lock") as file:
            return not _locked(file, fcntl.LOCK_SH)
        return False


def _locked(file: TextIO, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    return False


def _locked_at_last(file: TextIO) -> bool:
    tries = 20  # for a process that is about to end; one that only asks `is_held` is waited for, however slow it is
    while tries and not _locked(file, fcntl.LOCK_EX):
        tries -= not _locked(file, fcntl.LOCK_SH)
        fcntl.flock(file, fcntl.LOCK_UN)
        time.sleep(0.05)
    return tries > 0


def runs_root() -> Path:
    """Return the folder that holds the runs: $DRA_RUNS, or runs/ here."""
    return Path(os.environ.get("DRA_RUNS", "runs"))


def find_runs(root: Path) -> list[RunDirectory]:
    """Return the runs directly under `root`, the most recently written last."""
    return sorted((RunDirectory(p.parent) for p in root.glob("*/resolved.json") if p.is_file()), key=_last_written)


def _last_written(run: RunDirectory) -> float:
    return max((f.stat().st_mtime for f in (run.resolved, run.metrics, run.status_file) if f.is_file()), default=0.0)


def latest_run(root: Path | None = None) -> RunDirectory:
    """Return the run written last that recorded anything; raises RunError with what to do if there is no run."""
    root = root or runs_root()
    runs = find_runs(root)
    if not runs:
        raise RunError(f"{root}: no runs yet; start one with `dra train recipes/quickstart.yaml`")
    return next((run for run in reversed(runs) if not run.recorded_nothing()), runs[-1])


def named_run(name: str) -> RunDirectory:
    """Return the run in the folder `name`, or of that name under the runs root; raises RunError if there is none."""
    for path in (Path(name), runs_root() / name):
        if os.path.isfile(path / "resolved.json"):
            return RunDirectory(path)
    names = [run.name for run in find_runs(runs_root())]
    found = "is no run directory (no resolved.json)" if os.path.isdir(name) else "there is no such run"
    known = f"; runs under {runs_root()}: {', '.join(names[-5:])}" if names else ""
    raise RunError(f"{name}: {found}{did_you_mean(name, names) or known}")
