"""`dra inspect sql`, `compact` and `verify`: the recorded tables themselves."""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect.common import ONE_RUN, app, open_run
from dra_toolkit.cli.printing import JSON_VERSION, answer, console, print_json, print_lines, print_next
from dra_toolkit.errors import RunError, counted, did_you_mean
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    import pyarrow as pa

    from dra_toolkit.runs import Run


@app.command()
@user_errors
def sql(
    run: str = ONE_RUN,
    statement: str = typer.Argument(None, metavar="SELECT", help="One SELECT; left out, the tables are listed."),
    limit: int = typer.Option(100, min=1, help="Rows shown as a table; JSON and CSV have all."),
    as_csv: bool = typer.Option(False, "--csv", help="Print CSV, without cells that a spreadsheet would run."),
    as_json: bool = JSON,
) -> None:
    """Ask in SQL: one SELECT over steps, groups, completions and texts; nothing else can be read, nothing written."""
    from dra_toolkit.inspection.selection import require_unicode
    from dra_toolkit.inspection.terminal import rows_view

    opened = open_run(run)
    if statement is None:
        _list_tables(opened, as_json)
        return
    require_unicode(statement, "SQL")
    names, found = _answer(opened, statement)
    if as_csv:
        _print_csv(names, found)
    elif as_json:
        _print_rows(names, found)
    else:
        rows = list(itertools.islice(found, limit + 1))
        out = console()
        out.print(rows_view(names, rows[:limit]))
        out.print(f"the first {limit:,} rows; --limit shows more" if len(rows) > limit else counted(len(rows), "row"))


def _answer(run: Run, statement: str) -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """Return the columns of the answer and its rows; whatever is wrong with the statement is a RunError."""
    try:
        reader = run.reader(statement)
    except RunError as error:
        raise RunError(*(line + _nearest_column(line) for line in error.problems)) from None
    return reader.schema.names, _rows(reader)


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[object, ...]]:
    """Yield the rows, a piece of the answer in memory at a time."""
    try:
        for batch in reader:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except (OSError, ValueError) as error:  # what DuckDB finds wrong in later rows arrives through Arrow
        raise RunError(f"SQL: {first_line(error)}") from None


def _nearest_column(problem: str) -> str:
    from dra_toolkit.runs.database import TABLES, table_columns

    unknown = re.search(r'Referenced column "([^"]*)" not found', problem)
    known = {column: table for table in TABLES for column, _, _ in table_columns(table)}
    if unknown and unknown[1] in known:
        return f"; it is a column of the table {known[unknown[1]]}"
    return did_you_mean(unknown[1], known) if unknown else ""


def _print_rows(names: list[str], rows: Iterator[tuple[object, ...]]) -> None:
    from dra_toolkit.inspection.plain import plain

    print(f'{{"version": {JSON_VERSION}, "rows": [', end="")
    separator = ""
    for row in rows:
        print(separator + json.dumps(plain(dict(zip(names, row, strict=True)))), end="")
        separator = ",\n"
    print("]}")


def _print_csv(names: list[str], rows: Iterator[tuple[object, ...]]) -> None:
    import csv

    from dra_toolkit.inspection.export.exporting import cell
    from dra_toolkit.safe_text import visible

    def shown(value: Any) -> str | int | float:
        found = cell(value)
        return visible(found) if isinstance(found, str) else found

    csv.writer(sys.stdout).writerows(map(shown, row) for row in itertools.chain([names], rows))


def _list_tables(run: Run, as_json: bool) -> None:
    from dra_toolkit.inspection.terminal import rows_view
    from dra_toolkit.runs.database import TABLES, table_columns

    found = {name: table_columns(name) for name in TABLES}
    if as_json:
        keys = ("column", "type", "meaning")
        print_json({"tables": {name: [dict(zip(keys, c, strict=True)) for c in found[name]] for name in found}})
        return
    out = console()
    rows = [
        ("" if i else name, column, meaning) for name in TABLES for i, (column, _, meaning) in enumerate(found[name])
    ]
    out.print(rows_view(("table", "column", "meaning"), rows))
    print_next(out, [f'dra inspect sql {run.directory.path} "SELECT step, reward, adjusted FROM steps ORDER BY step"'])


@app.command()
@user_errors
def compact(run: str = ONE_RUN, as_json: bool = JSON) -> None:
    """Join the many files of a run into few, so that questions are answered faster; a trainer may go on writing.

    What is replaced is removed two minutes later, by this command or by the trainer, so that no reader loses it.
    """
    from dra_toolkit.runs.compaction import compact as join

    opened = open_run(run)
    try:
        done = join(opened.directory.groups, everything=True, tell=functools.partial(print, "joined", file=sys.stderr))
    except OSError as error:
        raise RunError(f"{opened.directory.groups}: cannot be compacted ({error.strerror or error})") from None
    became = f"{counted(done.sources, 'file')} became {counted(done.segments, 'segment')}"
    said = became if done.segments else "nothing to join"
    shown = f"{opened.name}: {said}; {done.removed} that were replaced earlier are removed"
    answer(as_json, done, lambda out: [shown])


@app.command()
@user_errors
def verify(run: str = ONE_RUN, as_json: bool = JSON) -> None:
    """Check a run: checksums, torn and foreign files, duplicates, gaps, measures, and that its advantages replay.

    Ends with status 0 if all is well, and 1 with one line for each problem.
    """
    from dra_toolkit.inspection.plain import plain
    from dra_toolkit.inspection.verify import verify as check

    opened = open_run(run)
    found = check(opened, tell=lambda what: None if as_json else print(f"checking {what}", file=sys.stderr))
    if as_json:
        print_json({**plain(found), "ok": not found.problems})
    else:
        error = found.largest_replay_error
        replayed = "" if error is None else f"; the largest replay error is {error:.1e}"
        said = counted(len(found.problems), "problem") if found.problems else "all is well"
        decoded = f"{counted(found.files, 'file')} decoded with checksums, {counted(found.groups, 'group')}"
        of = f"{counted(found.completions, 'completion')} of {counted(found.steps, 'training step')}"
        print_lines([*found.problems, *(f"note: {note}" for note in found.notes)])
        print_lines([f"{found.run}: {said}. {decoded} with {of}{replayed}."])
    if found.problems:
        raise typer.Exit(1)
