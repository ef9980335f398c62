"""`dra inspect export` and `dra inspect verify`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.safe_text import visible

FOUND_PROBLEMS = 1


class ExportFormat(Enum):
    """What is written."""

    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    dataset = "dataset"
    html = "html"


class ExportMode(Enum):
    """Which groups."""

    train = "train"
    eval = "eval"
    discarded = "discarded"
    all = "all"


def register(app: typer.Typer) -> None:
    """Add the commands to `dra inspect`."""
    app.command()(export)
    app.command()(verify)


@user_errors
def export(
    run: str = typer.Argument(..., help="A run directory, or a name under runs/."),
    out: Path = typer.Argument(..., help="The file to write; a folder for --to dataset."),
    to: ExportFormat = typer.Option(None, "--to", help="Left out, the ending of the file's name says it."),
    steps: str = typer.Option(None, "--steps", help="A step, or a range: 10..20, 10.., ..20."),
    mode: ExportMode = typer.Option(ExportMode.train, "--mode", help="Which groups."),
    where: list[str] = typer.Option(
        None, "--where", metavar="'NAME OP NUMBER'", help="Groups with a measure such as 'flips > 0'; may be repeated."
    ),
    groups: int = typer.Option(20, "--groups", min=0, help="html: groups shown in full."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace what lies there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Write recorded groups as JSON lines, CSV, Parquet, a Hugging Face data set or one HTML report."""
    from dra_toolkit.inspection.export.exporting import export as write
    from dra_toolkit.inspection.selection import Selection, read_condition, read_steps
    from dra_toolkit.runs import Run
    from dra_toolkit.runs.names import MODES

    chosen = Selection(
        modes=MODES if mode is ExportMode.all else (mode.value,),
        steps=read_steps(steps),
        conditions=tuple(map(read_condition, where or [])),
    )
    format = _format(out) if to is None else to.value
    done = write(Run.open(run), out, format, chosen, groups=groups, overwrite=overwrite)
    if as_json:
        print(json.dumps(asdict(done)))
        return
    size = sum(p.stat().st_size for p in out.iterdir()) if out.is_dir() else out.stat().st_size
    print(visible(f"{done.out}: {done.completions:,} completions as {done.format}, {size / 1e6:.1f} MB", one_line=True))


def _format(out: Path) -> str:
    from dra_toolkit.errors import RunError

    known = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet", ".html": "html"}
    if out.suffix not in known:
        raise RunError(
            f"{out}: say --to jsonl, csv, parquet, dataset or html; the ending {out.suffix!r} tells none of them"
        )
    return known[out.suffix]


@user_errors
def verify(
    run: str = typer.Argument(..., help="A run directory, or a name under runs/."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Check a run: checksums, torn and foreign files, duplicates, gaps, measures, and that its advantages replay.

    Ends with status 0 if all is well, and 1 with one line for each problem.
    """
    from dra_toolkit.inspection.verify import verify as check
    from dra_toolkit.runs import Run

    opened = Run.open(run)
    if as_json:
        found = check(opened)
        print(json.dumps({**asdict(found), "ok": not found.problems}))
    else:
        found = check(opened, tell=lambda what: print(f"checking {what}", file=sys.stderr))
        for problem in found.problems:
            print(visible(problem, one_line=True))
        for note in found.notes:
            print(f"note: {visible(note, one_line=True)}")
        error = found.largest_replay_error
        replayed = "" if error is None else f"; the largest replay error is {error:.1e}"
        said = "all is well" if not found.problems else f"{len(found.problems)} problems"
        print(
            f"{visible(found.run, one_line=True)}: {said}. {found.files:,} files decoded with their checksums, "
            f"{found.groups:,} groups with {found.completions:,} completions of {found.steps:,} training steps{replayed}."
        )
    if found.problems:
        raise typer.Exit(FOUND_PROBLEMS)
