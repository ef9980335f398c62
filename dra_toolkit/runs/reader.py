"""Read a run: its recipe, its metrics, its groups. Nothing here writes, locks, or breaks while a trainer writes."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs.compaction import texts_left_out
from dra_toolkit.runs.database import TABLES, connect, parts_of
from dra_toolkit.runs.layout import RunDirectory, named_run
from dra_toolkit.runs.metrics import read_metrics
from dra_toolkit.runs.rows import from_table
from dra_toolkit.runs.schema import FileFacts
from dra_toolkit.runs.store import LOOKS, GroupStore, Snapshot
from dra_toolkit.safe_text import first_line, visible

if TYPE_CHECKING:
    import datasets
    import duckdb
    import pandas as pd
    import pyarrow as pa

Answer = TypeVar("Answer")
Parameters = Sequence[Any] | Mapping[str, Any]


class Run:
    """A recorded run.

    >>> run = Run.open("runs/quickstart")  # doctest: +SKIP
    >>> run.group(step=10, index=0)  # doctest: +SKIP
    >>> run.query("SELECT step, reward, adjusted FROM steps ORDER BY step").to_pandas()  # doctest: +SKIP
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.store = GroupStore(directory.groups)
        self._held: tuple[Snapshot, set[str], duckdb.DuckDBPyConnection] | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open the run in a folder, or of that name under the runs root; raises RunError if there is none."""
        return cls(named_run(str(path)))

    @property
    def name(self) -> str:
        """The run's name."""
        return self.directory.path.resolve().name

    @property
    def problems(self) -> dict[str, str]:
        """File name -> why it was skipped, of the files met so far."""
        return self.store.problems

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.directory.read_recipe()

    def __repr__(self) -> str:
        """Return the run in one line; nothing is read but the names of its files."""
        listing = self.store.listing()
        files = f"{len(listing.batches)} files and {len(listing.segments)} segments of groups"
        return f"<Run {visible(self.name, one_line=True)}: {self.directory.status()['state']}, {files}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what the run is, and its curves."""
        from dra_toolkit.inspection.group_html import run_html  # shown only where inspection is wanted

        return run_html(self)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the logged metrics, a row for each logged step."""
        return list(read_metrics(self.directory.metrics))

    def steps(self, mode: Mode = "train") -> list[int]:
        """Return the steps with recorded groups, ascending."""
        return self.store.steps(mode)

    def facts(self, mode: Mode = "train") -> list[FileFacts]:
        """Return what holds for the recorded groups of a mode: once, or more where settings changed along the run."""
        found = self.store.snapshot(mode=mode).facts.values()
        return list({repr(facts): facts for facts in found}.values())

    def texts_left_out(self) -> str | None:
        """Return in one line how many groups' texts were not kept, and of which kinds worth keeping; None if all were."""
        return texts_left_out(self.store)

    def groups(
        self, *, step: int | None = None, steps: tuple[int, int] | None = None, mode: Mode = "train"
    ) -> Iterator[GroupRecord]:
        """Yield the recorded groups of one step, of steps from first to last, or of all, one batch in memory at a time.

        Raises RunError, naming the nearest, for a step that was not recorded.
        """
        self.store.listing(mode)  # refuses a mode that there is not, now and not when the first group is asked for
        if step is not None:
            self.require_step(step, mode)
        read = self.store.read(mode=mode, steps=steps if step is None else (step, step))
        return chain.from_iterable(from_table(table, facts) for facts, table in read)

    def group(self, step: int, index: int, *, mode: Mode = "train", batch: int = 0) -> GroupRecord:
        """Return one group; raises RunError, saying what there is, if it was not recorded."""
        found = self.store.read_group(mode, (step, batch), index)
        if found:
            facts, rows = found
            return next(iter(from_table(rows, facts)))
        self.require_step(step, mode)
        there = {(record.batch, record.index) for record in self.groups(step=step, mode=mode)}
        batches = sorted({b for b, _ in there})
        if not batches:
            problems = {name: why for name, why in self.problems.items() if f"-{step:08d}-" in name} or self.problems
            damaged = "; ".join(f"groups/{name}: {why}" for name, why in sorted(problems.items()))
            raise RunError(f"{self.name}: step {step} cannot be read ({damaged or 'its file vanished'})")
        if batch not in batches:
            raise RunError(
                f"{self.name}: step {step} has no batch {batch}, it has batches {batches[0]} to {batches[-1]}"
            )
        indices = sorted(i for b, i in there if b == batch)
        raise RunError(f"{self.name}: step {step} has no group {index}, it has groups {indices[0]} to {indices[-1]}")

    def require_step(self, step: int, mode: Mode = "train") -> None:
        """Raise RunError, naming the nearest, if no groups of `step` are recorded."""
        steps = self.steps(mode)
        if not steps:
            raise RunError(f"{self.name}: no {mode} groups are recorded")
        if step not in steps:
            nearest = min(steps, key=lambda s: abs(s - step))
            recorded = f"recorded are {steps[0]} to {steps[-1]}; the nearest is {nearest}"
            raise RunError(f"{self.name}: no {mode} groups of step {step}, {recorded}")

    def query(
        self, sql: str, parameters: Parameters | None = None, *, steps: tuple[int, int] | None = None
    ) -> pa.Table:
        """Return the answer to a SELECT over `steps`, `groups`, `completions` and `texts` (see docs/run-format.md).

        steps: the first and last step that the statement asks for: files without any of them are not opened, but others may
        be there. Only these tables can be read, and nothing written. Raises RunError, with DuckDB's reason, if it fails.
        """
        return self._ask(sql, parameters, steps, lambda reader: reader.read_all())

    def reader(
        self, sql: str, parameters: Parameters | None = None, *, steps: tuple[int, int] | None = None
    ) -> pa.RecordBatchReader:
        """Return the answer as `query` does, but in pieces, so that it may be larger than memory."""
        return self._ask(sql, parameters, steps, lambda reader: reader)

    def connect(self, tables: Sequence[str] = TABLES) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection in memory with tables of this moment's groups, or all; it reads nothing else."""
        for _ in range(LOOKS):
            snapshot = self.store.snapshot()
            if self.store.require_sound(snapshot, parts_of(tables)):
                return connect(snapshot, tables)
        raise RunError(f"{self.directory.groups}: files break faster than they can be read")

    def _ask(
        self,
        sql: str,
        parameters: Parameters | None,
        steps: tuple[int, int] | None,
        take: Callable[[pa.RecordBatchReader], Answer],
    ) -> Answer:
        import duckdb

        tables = _tables_of(sql)
        for _ in range(LOOKS):
            snapshot = self.store.snapshot(steps=steps)
            try:
                if not self.store.require_sound(snapshot, parts_of(tables)):
                    continue
                connection = self._connection(snapshot, tables)
                _require_select(connection, sql)
                return take(connection.sql(sql, params=parameters).to_arrow_reader(16_384))
            except FileNotFoundError:
                continue
            except duckdb.Error as error:
                damage = isinstance(error, duckdb.IOException | duckdb.InvalidInputException)
                if all(path.exists() for path in snapshot.facts) and not (damage and self.store.damaged()):
                    raise RunError(f"SQL: {_reason(error)}") from None
        raise RunError(f"{self.directory.groups}: files vanish faster than they can be read")

    def _connection(self, snapshot: Snapshot, tables: Sequence[str]) -> duckdb.DuckDBPyConnection:
        """Return a cursor on the tables of a snapshot; the last connection is kept as long as the files are the same."""
        with self._lock:
            if self._held is None or self._held[0] != snapshot:
                self._held = snapshot, set(), connect(snapshot, ())
            _, known, connection = self._held
            connect(snapshot, set(tables) - known, connection)
            known.update(tables)
            return connection.cursor()

    def arrow(self, table: str = "completions", *, columns: Sequence[str] = ("*",), where: str = "true") -> pa.Table:
        """Return columns of a table, of the rows where an SQL condition holds, as Arrow."""
        names = ", ".join(name if name == "*" else f'"{name}"' for name in columns)
        return self.query(f'SELECT {names} FROM "{table}" WHERE {where}')

    def pandas(
        self, table: str = "completions", *, columns: Sequence[str] = ("*",), where: str = "true"
    ) -> pd.DataFrame:
        """Return what `arrow` returns as a data frame; needs pandas."""
        return self.arrow(table, columns=columns, where=where).to_pandas()

    def dataset(self, *, mode: Mode = "train") -> datasets.IterableDataset:
        """Return the completions with their texts as a Hugging Face data set, read batch by batch; needs datasets."""
        from datasets import IterableDataset

        self.store.listing(mode)
        return IterableDataset.from_generator(_rows, gen_kwargs={"folder": str(self.directory.groups), "mode": mode})


def _rows(folder: str, mode: Mode) -> Iterator[dict[str, Any]]:
    """Yield the completions of a mode; a function of plain values, since the data set keeps and copies it."""
    for _, table in GroupStore(Path(folder)).read(mode=mode):
        yield from table.to_pylist()


def _tables_of(sql: str) -> list[str]:
    """Return the tables whose names occur in a statement: at least those that it reads."""
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    return [name for name in TABLES if name in words]


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RunError("SQL: one SELECT is expected; recorded groups are only ever read")


def _reason(error: Exception) -> str:
    """Return DuckDB's reason in one line, with the nearest table where one is not known."""
    line = first_line(error, 300)
    if "Table with name" in line:
        unknown = line.partition("Table with name ")[2].partition(" ")[0]
        return f"there is no table {unknown}; there are {', '.join(TABLES)}{did_you_mean(unknown, list(TABLES))}"
    return line
