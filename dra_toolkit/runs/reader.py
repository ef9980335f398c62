"""Read a run: its recipe, its metrics, its groups. Nothing here writes, locks, or breaks while a trainer writes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs.files import TEMPORARY_PREFIX
from dra_toolkit.runs.layout import RunDirectory, named_run
from dra_toolkit.runs.metrics import read_metrics
from dra_toolkit.runs.schema import FileFacts, from_table, read_facts

FILE_NAME = re.compile(r"(?P<mode>train|eval)-(?P<step>\d{8,})-(?P<batch>\d{3,})\.parquet")


@dataclass(frozen=True, kw_only=True)
class GroupFile:
    """One published file of groups: a generation batch."""

    path: Path
    mode: Mode
    step: int
    batch: int
    facts: FileFacts
    rows: int


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run holds."""

    steps: tuple[int, ...]
    """Steps with recorded training groups, ascending."""
    completions: int
    """Recorded completions, training and evaluation."""
    problems: tuple[str, ...]
    """One line for each file that was skipped, and why."""


class Run:
    """A recorded run. `Run.open("runs/quickstart").groups(step=10)` yields the groups of a step."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.problems: dict[str, str] = {}
        """File name -> why it was skipped, of the files met so far."""

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open the run in a folder, or of that name under the runs root; raises RunError if there is none."""
        return cls(named_run(str(path)))

    @property
    def name(self) -> str:
        """The run's name."""
        return self.directory.path.resolve().name

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.directory.read_recipe()

    def metrics(self) -> list[dict[str, Any]]:
        """Return the logged metrics, a row for each logged step."""
        return list(read_metrics(self.directory.metrics))

    def steps(self, mode: Mode = "train") -> list[int]:
        """Return the steps with recorded groups, ascending, by the files' names alone."""
        return sorted({step for found, step, _, _ in self._names() if found == mode})

    def files(self, *, mode: Mode | None = None, step: int | None = None) -> Iterator[GroupFile]:
        """Yield the readable files in order; torn and foreign ones are named in `problems` and skipped."""
        for found, at, batch, path in self._names():
            if (mode is None or found == mode) and (step is None or at == step):
                file = self._open(path, found, at, batch)
                if file:
                    yield file

    def groups(self, *, step: int | None = None, mode: Mode = "train") -> Iterator[GroupRecord]:
        """Yield the recorded groups of one step, or of all, in order, one file in memory at a time."""
        import pyarrow.parquet as pq

        for file in self.files(mode=mode, step=step):
            try:
                table = pq.read_table(file.path)
            except (OSError, ValueError) as error:
                self.problems[file.path.name] = f"cannot be read ({_first_line(error)})"
                continue
            yield from from_table(table, file.facts)

    def group(self, step: int, index: int, *, mode: Mode = "train", batch: int = 0) -> GroupRecord:
        """Return one group; raises RunError, saying what there is, if it was not recorded."""
        groups = [record for record in self.groups(step=step, mode=mode) if record.batch == batch]
        for record in groups:
            if record.index == index:
                return record
        if not groups:
            raise RunError(f"{self.name}: {self._no_step(step, mode)}")
        raise RunError(f"{self.name}: step {step} has no group {index}, it has groups 0 to {len(groups) - 1}")

    def _no_step(self, step: int, mode: Mode) -> str:
        steps = self.steps(mode)
        if not steps:
            return f"no {mode} groups are recorded"
        nearest = min(steps, key=lambda s: abs(s - step))
        return f"no {mode} groups of step {step}, recorded are {steps[0]} to {steps[-1]}; the nearest is {nearest}"

    def require_step(self, step: int, mode: Mode = "train") -> None:
        """Raise RunError, naming the nearest, if no groups of `step` are recorded."""
        if step not in self.steps(mode):
            raise RunError(f"{self.name}: {self._no_step(step, mode)}")

    def summary(self) -> RunSummary:
        """Count what is recorded, opening each file's footer."""
        files = list(self.files())
        steps = sorted({file.step for file in files if file.mode == "train"})
        problems = tuple(f"groups/{name}: {why}; skipped" for name, why in sorted(self.problems.items()))
        return RunSummary(steps=tuple(steps), completions=sum(file.rows for file in files), problems=problems)

    def _names(self) -> list[tuple[Mode, int, int, Path]]:
        """Return (mode, step, batch, path) of the files in groups/, in order; others are noted as foreign."""
        named: list[tuple[Mode, int, int, Path]] = []
        folder = self.directory.groups
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            match = FILE_NAME.fullmatch(path.name)
            if match:
                mode: Mode = "train" if match["mode"] == "train" else "eval"
                named.append((mode, int(match["step"]), int(match["batch"]), path))
            elif not path.name.startswith(TEMPORARY_PREFIX):
                self.problems[path.name] = "not a file of recorded groups"
        return named

    def _open(self, path: Path, mode: Mode, step: int, batch: int) -> GroupFile | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            footer = pq.ParquetFile(path)
            facts = read_facts(footer.schema_arrow, path.name)
            rows = footer.metadata.num_rows
            footer.close()
        except FileNotFoundError:
            return None  # replaced between listing and opening; the next look finds what replaced it
        except RunError as error:
            self.problems[path.name] = str(error).removeprefix(f"{path.name}: ")
            return None
        except (OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError) as error:
            self.problems[path.name] = f"torn or not Parquet ({_first_line(error)})"
            return None
        return GroupFile(path=path, mode=mode, step=step, batch=batch, facts=facts, rows=rows)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
