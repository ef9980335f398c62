"""`dra lint`: whether a run or dump, of whatever trainer, holds broken groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.common import JSON, Format, print_json, print_lines, user_errors
from dra_toolkit.cli.inspect import exchange

if TYPE_CHECKING:
    from dra_toolkit.inspection.lint.group_checks import LintReport


@user_errors
def lint(
    source: Path = typer.Argument(..., metavar="PATH", help="A run, or a file or folder with rollouts of any trainer."),
    format: Format = exchange.FORMAT,
    prompt_column: str = exchange.PROMPT_COLUMN,
    completion_column: str = exchange.COMPLETION_COLUMN,
    reward_columns: list[str] = exchange.REWARD_COLUMNS,
    step_column: str = exchange.STEP_COLUMN,
    group_column: str = exchange.GROUP_COLUMN,
    trajectory_column: str = exchange.TRAJECTORY_COLUMN,
    advantage_column: str = exchange.ADVANTAGE_COLUMN,
    as_json: bool = JSON,
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
        trajectory_column=trajectory_column,
        advantage_column=advantage_column,
    )
    report = look(source, format=format, options=options)
    print_json(report) if as_json else _show(report)
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
    print_lines(lines if report.findings else [*lines, "nothing found"])
