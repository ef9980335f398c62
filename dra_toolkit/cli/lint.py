"""`dra lint`: whether a run or dump, of whatever trainer, holds broken groups."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.import_ import FormatName
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.inspection.lint.group_checks import LintReport


@user_errors
def lint(
    source: Path = typer.Argument(..., metavar="PATH", help="A run, or a file or folder with rollouts of any trainer."),
    format: FormatName = typer.Option(None, "--format", help="Left out, it is recognised."),
    prompt_column: str = typer.Option("prompt", "--prompt-column", help="jsonl: the column of the prompts."),
    completion_column: str = typer.Option("completion", "--completion-column", help="jsonl: that of the completions."),
    reward_columns: list[str] = typer.Option(None, "--reward-column", help="A column with a reward; may be repeated."),
    step_column: str = typer.Option(None, "--step-column", help="jsonl: the column of the step."),
    group_column: str = typer.Option(None, "--group-column", help="The column that tells which group a row is of."),
    advantage_column: str = typer.Option(None, "--advantage-column", help="jsonl: that of the advantages."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Look for broken groups in a run or dump: ends with status 1 where something was found."""
    from dra_toolkit.inspection.lint.linting import lint as look
    from dra_toolkit.runs.importers.rollout import Options

    options = Options(
        prompt_column=prompt_column,
        completion_column=completion_column,
        reward_columns=tuple(reward_columns or ()),
        step_column=step_column,
        group_column=group_column,
        advantage_column=advantage_column,
    )
    report = look(source, format=None if format is None else format.value, options=options)
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        _show(report)
    if report.findings:
        raise typer.Exit(1)


def _show(report: LintReport) -> None:
    looked = f"{report.completions:,} completions in {report.groups:,} groups of {report.steps:,} steps"
    lines = [f"{report.source}: {looked} ({report.format}: {report.seen})"]
    for found in report.findings:
        lines += [
            f"{found.kind}: {found.count:,} of {found.of:,} {found.unit}, such as {found.example}",
            f"    {found.why}",
            f"    What mends it: {found.mends}.",
        ]
    if not report.findings:
        lines.append("nothing found")
    for line in lines:
        print(visible(line, one_line=True))
