"""`dra doctor`: whether this machine can run a recipe, one line each with what mends it."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.overrides import read_command
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.doctor import Finding, Report

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not checked": "dim"}


@user_errors
def doctor(
    recipe_file: str = typer.Argument(
        None, metavar="[RECIPE]", help="A recipe, or the name of a shipped one; left out, the machine alone is checked."
    ),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings that replace the recipe's."),
    config: Path = typer.Option(None, "--config", metavar="RECIPE", help="The recipe, as TRL's commands name it."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Check whether this machine can run a recipe: packages, GPUs, logins, model and data, memory, hours, disk."""
    from dra_toolkit.recipe.load import examine_recipe

    name, settings = read_command(recipe_file, config, overrides or [])
    recipe, problems = examine_recipe(name, settings) if name else (None, [])
    with _busy():
        from dra_toolkit.doctor import examine

        report = examine(recipe, problems)
    if as_json:
        print(json.dumps({"recipe": recipe.name if recipe else None, **report.plain()}))
    else:
        _show(report.findings)
        _conclude(report, shlex.join([name, *settings]) if name else None)
    if report.count("problem"):
        raise typer.Exit(1)


def _busy() -> AbstractContextManager[Any]:
    """Show on a terminal that something is going on: torch and the Hub take seconds."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status("looking at the machine")


def _show(findings: tuple[Finding, ...]) -> None:
    """Print the findings: a table on a terminal, elsewhere one line each."""
    if not sys.stdout.isatty():
        for finding in findings:
            fix = f"; fix: {finding.fix}" if finding.fix else ""
            print(visible(f"{finding.level:<11} {finding.subject}: {finding.found}{fix}", one_line=True))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in findings:
        said = Text(visible(finding.found, one_line=True))
        if finding.fix:
            said.append(f"\nfix: {visible(finding.fix, one_line=True)}", STYLES[finding.level])
        table.add_row(Text(finding.level, STYLES[finding.level]), visible(finding.subject, one_line=True), said)
    Console(highlight=False, markup=False, emoji=False).print(table)


def _conclude(report: Report, asked: str | None) -> None:
    """Print what the findings come to, and what to do next."""
    problems, warnings = report.count("problem"), report.count("warning")
    counts = f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}."
    if problems:
        said = f"{counts} Mend the problems, then: dra doctor {asked or ''}".rstrip()
    elif asked:
        said = f"{counts} Next: dra train {asked}"
    else:
        said = f"{counts} Next: dra doctor RECIPE, for what a recipe needs; dra recipes lists the shipped ones"
    print(f"\n{visible(said, one_line=True)}")
