"""What every page gets: the runs under the chosen root, opened by their ids, each at most once."""

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs import Run, RunDirectory, find_runs

MOST_OPEN = 8
"""Runs kept open; of more the one that was asked for longest ago is let go."""
_OWN_FILES = ("resolved.json", "status.json", "metrics.jsonl", "groups", "evals", "logs")


class Context:
    """The runs that the dashboard may read.

    A run's id is the name of its folder directly under `root`; nothing else is ever opened, whatever a request names.
    """

    def __init__(self, root: Path, *, only: str | None = None) -> None:
        self.root = root.resolve()
        self.only = only
        """The id of the one run that is shown, where one was named on the command line."""
        self._open: OrderedDict[str, tuple[object, Run]] = OrderedDict()
        self._lock = threading.Lock()

    def run_ids(self) -> list[str]:
        """Return the ids of the runs, the most recently written first."""
        for _ in range(3):
            with suppress(OSError):  # a run vanished while it was looked at
                found = [run.path.name for run in reversed(find_runs(self.root)) if self._is_inside(run.path)]
                return [run_id for run_id in found if self.only in (None, run_id)]
        return []

    def run(self, run_id: str = "") -> Run:
        """Return the run of an id, or the most recently written for an empty one; raises RunError if there is none."""
        run_id = run_id or next(iter(self.run_ids()), "")
        if not run_id:
            raise RunError(f"{self.root.name}: no runs yet; start one with `dra train recipes/quickstart.yaml`")
        path = self._path(run_id)
        try:
            found = os.stat(path / "resolved.json")
        except OSError:
            with self._lock:
                self._open.pop(run_id, None)
            raise RunError(f"{run_id}: the run is gone") from None
        identity = (found.st_ino, found.st_mtime_ns)
        with self._lock:
            held = self._open.get(run_id)
            self._require_inside(path)
            if held is None or held[0] != identity:
                self._open[run_id] = held = (identity, Run(RunDirectory(path)))
            self._open.move_to_end(run_id)
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
            return held[1]

    def stamp(self, run_id: str) -> str:
        """Return a text that is another one when anything was written to a run since; it costs a few system calls."""
        path = self._path(run_id)
        parts = []
        for place in (*(path / name for name in _OWN_FILES), *(path / "evals").glob("*/*")):
            try:
                found = os.stat(place)
                parts.append(f"{found.st_mtime_ns:x}.{found.st_ino:x}.{found.st_size:x}")
            except OSError:
                parts.append("-")
        return "_".join(parts)

    def _path(self, run_id: str) -> Path:
        if not (run_id == self.only if self.only else self._is_id(run_id)):
            ids = [self.only] if self.only else self.run_ids()
            known = did_you_mean(run_id[:80], ids) or (f"; there are {', '.join(ids[:5])}" if ids else "")
            raise RunError(f"run: {run_id[:80]!r} is no run under {self.root.name}{known}")
        return self.root / run_id

    def _is_id(self, run_id: str) -> bool:
        """Return whether a text is the plain name of a run's folder under the root, as `run_ids` would find it."""
        if run_id in ("", ".", "..") or any(sign in run_id for sign in (os.sep, os.altsep or os.sep, "\0")):
            return False
        with suppress(OSError):  # a name too long to be one
            return (self.root / run_id / "resolved.json").is_file() and self._is_inside(self.root / run_id)
        return False

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root)

    def _require_inside(self, path: Path) -> None:
        """Raise RunError if the run, or a part of it, is a link to somewhere outside the root."""
        outside = [part for part in (path, *(path / name for name in _OWN_FILES)) if not self._is_inside(part)]
        if outside:
            raise RunError(f"{path.name}: {outside[0].name} is a link to a place outside {self.root.name}, left alone")
