"""`dra doctor`: whether this machine can run a recipe, one line each with what mends it."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.overrides import CONFIG, KEYS, read_command
from dra_toolkit.cli.printing import console, print_json
from dra_toolkit.errors import RecipeError
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.doctor import Finding, Report

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "not checked": "dim"}


@user_errors
def doctor(
    recipe_file: str = typer.Argument(
        None, metavar="[RECIPE]", help="A recipe, or the name of a shipped one; left out, the machine alone is checked."
    ),
    overrides: list[str] = KEYS,
    config: Path = CONFIG,
    as_json: bool = JSON,
) -> None:
    """Check whether this machine can run a recipe: packages, GPUs, logins, model and data, memory, hours, disk."""
    from dra_toolkit.recipe.load import examine_recipe

    name, settings = read_command(recipe_file, config, overrides or [])
    try:
        recipe, problems = examine_recipe(name, settings) if name else (None, [])
    except RecipeError as error:  # no recipe at all: the machine is looked at all the same
        recipe, problems = None, [*error.problems]
    busy = console(stderr=True).status("looking at the machine") if sys.stderr.isatty() else nullcontext()
    with busy:  # torch and the Hub take seconds
        from dra_toolkit.doctor import examine

        report = examine(recipe, problems)
    if as_json:
        print_json({"recipe": recipe.name if recipe else None, **report.plain()})
    else:
        _show(report.findings)
        _conclude(report, shlex.join([name, *settings]) if name else None)
    if report.count("problem"):
        raise typer.Exit(1)


def _show(findings: tuple[Finding, ...]) -> None:
    """Print the findings, one line each with what mends it."""
    from rich.text import Text

    out = console()
    for finding in findings:
        fix = f"; fix: {finding.fix}" if finding.fix else ""
        line = Text(f"{finding.level:<11} ", STYLES[finding.level]).append(f"{finding.subject}: ", "bold")
        out.print(line.append(visible(f"{finding.found}{fix}", one_line=True), ""), soft_wrap=not out.is_terminal)


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
