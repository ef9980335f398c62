"""`dra inspect sql` and `dra inspect compact`."""

from __future__ import annotations

import sys

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import JSON, ONE_RUN, console, open_run, print_json


def register(app: typer.Typer) -> None:
    """Add the commands to `dra inspect`."""
    app.command()(sql)
    app.command()(compact)


@user_errors
def sql(
    run: str = ONE_RUN,
    statement: str = typer.Argument(None, metavar="SELECT", help="One SELECT; left out, the tables are listed."),
    limit: int = typer.Option(100, "--limit", min=1, help="Rows shown as a table; JSON and CSV have all."),
    as_csv: bool = typer.Option(False, "--csv", help="Print CSV, without cells that a spreadsheet would run."),
    as_json: bool = JSON,
) -> None:
    """Ask in SQL: one SELECT over steps, groups, completions and texts; nothing else can be read, nothing written."""
    from dra_toolkit.inspection.list_views import rows_view

    opened = open_run(run)
    if statement is None:
        _list_tables(as_json)
        return
    reader = opened.reader(statement)
    names = reader.schema.names
    if as_csv:
        _print_csv(names, reader)
    elif as_json:
        print_json([dict(zip(names, row, strict=True)) for batch in reader for row in _rows(batch)])
    else:
        rows: list[tuple[object, ...]] = []
        for batch in reader:
            rows += _rows(batch)
            if len(rows) > limit:
                break
        out = console()
        out.print(rows_view(names, rows[:limit]))
        out.print(f"the first {limit:,} rows; --limit shows more" if len(rows) > limit else f"{len(rows):,} rows")


def _rows(batch: object) -> list[tuple[object, ...]]:
    columns = [column.to_pylist() for column in batch.columns]  # type: ignore[attr-defined]
    return list(zip(*columns, strict=True))


def _print_csv(names: list[str], reader: object) -> None:
    import csv

    from dra_toolkit.inspection.export.csv_file import cell

    writer = csv.writer(sys.stdout)
    writer.writerow(map(cell, names))
    for batch in reader:  # type: ignore[attr-defined]
        writer.writerows([cell(value) for value in row] for row in _rows(batch))


def _list_tables(as_json: bool) -> None:
    from dra_toolkit.inspection.list_views import rows_view
    from dra_toolkit.runs.database import TABLES, table_columns

    found = {name: table_columns(name) for name in TABLES}
    if as_json:
        print_json({name: [{"column": c, "type": t, "meaning": m} for c, t, m in found[name]] for name in TABLES})
        return
    out = console()
    rows = [(name, column, kind, meaning) for name in TABLES for column, kind, meaning in found[name]]
    out.print(rows_view(("table", "column", "type", "meaning"), rows))
    out.print("\nFor instance: SELECT step, reward, adjusted FROM steps ORDER BY step", soft_wrap=True)


@user_errors
def compact(run: str = ONE_RUN, as_json: bool = JSON) -> None:
    """Join the many files of a run into few, so that questions are answered faster; a trainer may go on writing.

    What is replaced is removed two minutes later, by this command or by the trainer, so that no reader loses it.
    """
    from dra_toolkit.errors import RunError
    from dra_toolkit.runs.compaction import compact as join

    opened = open_run(run)
    try:
        done = join(
            opened.directory.groups, everything=True, tell=lambda line: print(f"joined {line}", file=sys.stderr)
        )
    except OSError as error:
        raise RunError(f"{opened.directory.groups}: cannot be compacted ({error.strerror or error})") from None
    if as_json:
        print_json(done)
        return
    said = f"{done.sources} files became {done.segments} segments" if done.segments else "nothing to join"
    print(f"{opened.name}: {said}; {done.removed} that were replaced earlier are removed")
