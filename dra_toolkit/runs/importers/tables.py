"""Formats whose rollouts are rows with columns: each declares its files and columns, all are read by the same code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs.importers.lines import first_object, jsonl_files, objects
from dra_toolkit.runs.importers.rollout import (
    BadRowError,
    Options,
    Problems,
    Rollout,
    as_number,
    as_prompt,
    as_step,
    spoken,
)
from dra_toolkit.safe_text import first_line

Row = Mapping[str, Any]
Block = list[tuple[str, Row]]
"""Rows that were written together, each with where it stands."""


def rows_of(path: Path, problems: Problems) -> Iterator[Block]:
    """Yield each line of a file of JSON lines or CSV, or the rows of a Parquet file all at once."""
    if path.suffix != ".parquet":
        for where, line in objects(path, problems):
            yield [(where, line)]
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        yield [(f"{path}: row {number}", row) for number, row in enumerate(pq.read_table(path).to_pylist())]
    except (OSError, pa.ArrowException) as error:
        problems.add(str(path), f"torn or not Parquet ({first_line(error)})")


@dataclass(frozen=True, kw_only=True)
class Table:
    """One format; what the caller says in `Options` goes before what is declared here."""

    name: str
    meaning: str
    files: tuple[str, ...]
    """Patterns of its files' names; those of the first pattern that has any are read."""
    shown_by: tuple[str, ...]
    """Columns that show the format."""
    rewards: Callable[[Row], list[str]]
    """Returns which of the columns are rewards, given the first row."""
    blocks: Callable[[Path, Problems], Iterator[Block]] = rows_of
    consecutive: bool = False
    """Whether completions of one group follow each other, so that the same prompt may come twice in a step."""
    repeats: bool = False
    """Whether a block may be written again, and counts once."""
    named: bool = False
    """Whether the caller names prompt and completion; a row without a step is then of the first."""
    prompt: str = "prompt"
    completion: str = "completion"
    steps: tuple[str, ...] = ("step",)
    group: str | None = None
    trajectory: str | None = None
    """Rows of one value are turns of one completion, of which the last is kept."""
    advantage: str = "advantage"
    gold: str | None = None
    tokens: tuple[str, ...] = ()

    def recognise(self, source: Path) -> str | None:
        """Return what in a file or folder shows that it is of this format, or None."""
        for path in self._files(source):
            columns = _columns(path)
            has_step = columns is not None and (len(self.steps) == 1 or any(name in columns for name in self.steps))
            if has_step and set(self.shown_by) <= set(columns or ()):
                return f"{path.name} has the columns {', '.join(self.shown_by)} of {self.meaning}"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the rewards that the rollouts have; raises RunError for a source that is not of this format."""
        path, columns = self._first(source)
        named = [*options.reward_columns]
        if self.named:
            others = (options.step_column, options.group_column, options.advantage_column, options.trajectory_column)
            named += [options.prompt_column, options.completion_column, *filter(None, others)]
        missing = [name for name in named if name not in columns]
        if missing:
            has = ", ".join(columns)
            raise RunError(*(f"{path}: no column {n!r}{did_you_mean(n, columns)}; has {has}" for n in missing))
        found = options.reward_columns or self.rewards(columns)
        if not found:
            raise RunError(f"{path}: name the rewards with --reward-column; has {', '.join(columns)}")
        return list(found)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file and a block of rows at a time."""
        rewards = self.reward_names(source, options)
        before: list[tuple[str, str]] | None = None
        for path in self._files(source):
            for block in self._blocks(path, options, problems):
                if self.repeats and len(block) > 1:
                    texts = [(str(row.get(self.prompt)), str(row.get(self.completion))) for _, row in block]
                    if texts == before:
                        continue
                    before = texts
                for where, row in block:
                    try:
                        yield self._rollout(row, path, rewards, options)
                    except BadRowError as error:
                        problems.add(where, str(error))

    def _files(self, source: Path) -> list[Path]:
        if source.is_file():
            return [source] if self.named or (source.suffix == ".parquet") == self.files[0].endswith(".parquet") else []
        for pattern in self.files:
            if found := jsonl_files(source, pattern):
                return found
        return []

    def _first(self, source: Path) -> tuple[Path, dict[str, Any]]:
        """Return the first file that can be read, and its columns with a value of each; of Parquet those of all files."""
        read = ((path, _columns(path)) for path in self._files(source))
        there = [(path, columns) for path, columns in read if columns is not None]
        if not there:
            raise RunError(f"{source}: no rows of {self.meaning} in {' or '.join(self.files)}")
        path, columns = there[0]
        if path.suffix == ".parquet":
            columns = {name: value for _, of_file in there for name, value in of_file.items()}
        return path, columns

    def _blocks(self, path: Path, options: Options, problems: Problems) -> Iterator[Block]:
        trajectory = options.trajectory_column or self.trajectory
        if trajectory is None:
            yield from self.blocks(path, problems)
            return
        names = (*self.steps, options.step_column, self.group, options.group_column, trajectory)
        yield _last_turns([row for block in self.blocks(path, problems) for row in block], names)

    def _rollout(self, row: Row, path: Path, rewards: list[str], options: Options) -> Rollout:
        prompt, completion, step, advantage = self.prompt, self.completion, self.steps[0], self.advantage
        if self.named:
            prompt, completion = options.prompt_column, options.completion_column
            step, advantage = options.step_column or step, options.advantage_column or advantage
        group = row.get(options.group_column or self.group or "")
        gold = row.get(self.gold or "")
        return Rollout(
            mode=options.mode,
            step=as_step(self._step(row, path, step), step),
            group=None if group is None else str(group),
            prompt=as_prompt(row.get(prompt)),
            **spoken(row.get(completion)),
            rewards={name: as_number(row.get(name), name) for name in rewards},
            advantage=None if row.get(advantage) is None else as_number(row[advantage], advantage),
            tokens=next((row[name] for name in self.tokens if isinstance(row.get(name), int)), None),
            gold=None if gold is None else str(gold),
        )

    def _step(self, row: Row, path: Path, column: str) -> Any:
        """Return the step of a row: what it says, or else the number that its file is named by."""
        said = [row[name] for name in (column, *self.steps) if name in row]
        if said:
            return next((step for step in said if step is not None), None)
        return int(path.stem) if path.stem.isdecimal() else 1 if self.named else None


def _last_turns(block: Block, names: tuple[str | None, ...]) -> Block:
    """Return the last row of each trajectory, which columns of these names tell apart, where the first stood."""
    last: dict[object, tuple[str, Row]] = {}
    for where, row in block:
        is_known = row.get(names[-1] or "") is not None
        last[tuple(str(row.get(name or "")) for name in names) if is_known else where] = where, row
    return list(last.values())


def _columns(path: Path) -> dict[str, Any] | None:
    """Return the columns of a file with a value of each; None if it has no rows or cannot be read."""
    if path.suffix != ".parquet":
        return first_object(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_number = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    try:
        return {f.name: 0.0 if any(is_(f.type) for is_ in is_number) else "" for f in pq.read_schema(path)}
    except (OSError, pa.ArrowException):
        return None
