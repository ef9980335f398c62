"""`dra inspect export`, `import` and `dra lint`: groups for other programs, and rollouts of other trainers."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from dra_toolkit.cli.common import JSON, Format, place_of, user_errors
from dra_toolkit.cli.inspect.common import ONE_RUN, STEPS, WHERE, app, open_run, selection
from dra_toolkit.cli.printing import print_json, print_lines
from dra_toolkit.errors import RunError, counted, one_line

if TYPE_CHECKING:
    from dra_toolkit.inspection.lint.linting import LintReport
    from dra_toolkit.runs.importers.importing import Imported
    from dra_toolkit.runs.importers.rollout import Options

SHOWN = 20
"""Rows that could not be read, of which a line is printed each."""

FORMAT = typer.Option(None, "--format", help="Left out, it is recognised.")
PROMPT_COLUMN = typer.Option("prompt", "--prompt-column", help="jsonl: the column of the prompts.")
COMPLETION_COLUMN = typer.Option("completion", "--completion-column", help="jsonl: that of the completions.")
REWARD_COLUMNS = typer.Option(None, "--reward-column", help="A column with a reward; may be repeated.")
STEP_COLUMN = typer.Option(None, "--step-column", help="jsonl: the column of the step.")
TRAJECTORY_COLUMN = typer.Option(None, "--trajectory-column", help="Rows alike in it are turns of one completion.")
GROUP_COLUMN = typer.Option(None, "--group-column", help="The column that tells which group a row is of.")
ADVANTAGE_COLUMN = typer.Option(None, "--advantage-column", help="jsonl: that of the advantages.")


@app.command()
@user_errors
def export(
    run: str = ONE_RUN,
    out: Path = typer.Argument(..., help="The file to write; a folder for --to dataset."),
    to: Literal["jsonl", "csv", "parquet", "dataset", "html"] = typer.Option(
        None, help="Left out, the ending of the file's name says it."
    ),
    steps: str = STEPS,
    mode: Literal["train", "eval", "discarded", "all"] = typer.Option("train", help="Which groups."),
    where: list[str] = WHERE,
    groups: int = typer.Option(20, min=0, help="html: groups shown in full."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace what lies there."),
    as_json: bool = JSON,
) -> None:
    """Write recorded groups as JSON lines, CSV, Parquet, a Hugging Face data set or one HTML report."""
    from dra_toolkit.inspection.export.exporting import export as write
    from dra_toolkit.runs.names import MODES

    format = to or out.suffix.removeprefix(".")
    if format not in ("jsonl", "csv", "parquet", "dataset", "html"):
        raise RunError(f"{out}: say --to jsonl, csv, parquet, dataset or html; the ending {out.suffix!r} tells none")
    chosen = selection(MODES if mode == "all" else (mode,), steps, where)
    done = write(open_run(run), out, format, chosen, groups=groups, overwrite=overwrite)
    if as_json:
        print_json(done)
        return
    size = sum(p.stat().st_size for p in out.iterdir()) if out.is_dir() else out.stat().st_size
    print_lines([f"{done.out}: {done.completions:,} completions as {done.format}, {size / 1e6:.1f} MB"])


@app.command("import")
@user_errors
def import_(
    source: Path = typer.Argument(..., help="A file or folder with rollouts."),
    output: Path = typer.Option(..., "--output", "-o", metavar="RUN", help="The run to make, such as runs/theirs."),
    format: Format = FORMAT,
    embedder: str = typer.Option("hash", help="What the similarity is measured with, or none."),
    prompt_column: str = PROMPT_COLUMN,
    completion_column: str = COMPLETION_COLUMN,
    reward_columns: list[str] = REWARD_COLUMNS,
    step_column: str = STEP_COLUMN,
    group_column: str = GROUP_COLUMN,
    trajectory_column: str = TRAJECTORY_COLUMN,
    advantage_column: str = ADVANTAGE_COLUMN,
    reward_weights: list[str] = typer.Option(
        None, "--reward-weight", metavar="NAME=NUMBER", help="Factor of a reward in the total, 1 if left out."
    ),
    scale_rewards: Literal["group", "batch", "none"] = typer.Option(
        None, help="How advantages are computed where the source has none."
    ),
    mode: Literal["train", "eval"] = typer.Option("train", help="What they were sampled for, if it is not told."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Delete the run that lies in --output."),
    as_json: bool = JSON,
) -> None:
    """Make a run of the rollouts of TRL, verl, ms-swift, prime-rl, or of any JSON lines, measuring their similarity."""
    given = dict(locals())
    from dra_toolkit.embedding import EmbedderSettings
    from dra_toolkit.runs.importers.importing import import_run

    done = import_run(
        source,
        output,
        format=format,
        options=_options(given),
        reward_weights=_weights(reward_weights or []),
        scale_rewards=scale_rewards,
        embedder=None if embedder == "none" else EmbedderSettings(name=embedder),
        overwrite=overwrite,
    )
    print_json(done) if as_json else _show(done)


def _options(given: dict[str, Any]) -> Options:
    """Return what the arguments of a command say about the source."""
    from dra_toolkit.runs.importers.rollout import Options

    said = {field.name: given[field.name] for field in fields(Options) if field.name in given}
    return Options(**{**said, "reward_columns": tuple(given["reward_columns"] or ())})


def _weights(items: list[str]) -> dict[str, float]:
    try:
        return {name: float(number) for name, _, number in (item.rpartition("=") for item in items)}
    except ValueError:
        raise RunError(f"--reward-weight: found {', '.join(items)}, expected NAME=NUMBER of each") from None


def _size(of: Imported | LintReport) -> str:
    return f"{counted(of.completions, 'completion')} in {counted(of.groups, 'group')} of {counted(of.steps, 'step')}"


def _show(done: Imported) -> None:
    for problem in done.problems[:SHOWN]:
        print(f"warning: {one_line(problem)}", file=sys.stderr)
    if done.skipped > SHOWN:
        print(f"warning: {done.skipped - min(SHOWN, len(done.problems))} more could not be read", file=sys.stderr)
    modes = ", ".join(f"{count:,} {mode}" for mode, count in done.by_mode.items())
    found = f"{_size(done)} ({modes}); {counted(done.skipped, 'row')} skipped"
    lines = [f"{done.run}: {found}", f"format {done.format}: {done.seen}", *done.notes]
    following = f"\nNext:\n  dra inspect summary {done.run}"
    print_lines([*lines, following, f"  dra inspect replay {done.run} diversity=graph_cut"])


@user_errors
def lint(
    source: Path = typer.Argument(..., metavar="PATH", help="A run, or a file or folder with rollouts of any trainer."),
    format: Format = FORMAT,
    prompt_column: str = PROMPT_COLUMN,
    completion_column: str = COMPLETION_COLUMN,
    reward_columns: list[str] = REWARD_COLUMNS,
    step_column: str = STEP_COLUMN,
    group_column: str = GROUP_COLUMN,
    advantage_column: str = ADVANTAGE_COLUMN,
    trajectory_column: str = TRAJECTORY_COLUMN,
    as_json: bool = JSON,
) -> None:
    """Look for broken groups in a run or dump: ends with status 1 where something was found."""
    given = dict(locals())
    from dra_toolkit.inspection.lint.linting import lint as look

    report = look(place_of(source), format=format, options=_options(given))
    print_json(report) if as_json else _show_findings(report)
    if report.findings:
        raise typer.Exit(1)


def _show_findings(report: LintReport) -> None:
    weights = f"\nreward weights: {report.reward_weights}" if report.reward_weights else ""
    lines = [f"{report.source}: {_size(report)} ({report.format}: {report.seen}){weights}"]
    for found in report.findings:
        lines += [
            f"{found.kind}: {found.count:,} of {found.of:,} {found.unit}, such as {found.example}",
            f"    {found.why}",
            f"    What mends it: {found.mends}.",
        ]
    print_lines(lines if report.findings else [*lines, "nothing found"])
