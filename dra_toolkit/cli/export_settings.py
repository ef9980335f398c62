"""`dra export-settings`: what a recipe says of the adjustment, for another trainer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from dra_toolkit.cli.errors import user_errors


class Engine(StrEnum):
    """An engine that has an adapter."""

    VERL = "verl"
    SLIME = "slime"
    MS_SWIFT = "ms-swift"


@user_errors
def export_settings(
    recipe: str = typer.Argument(..., help="A recipe, or the name of a shipped one."),
    engine: Engine = typer.Argument(..., help="The engine that is to train."),
    overrides: list[str] = typer.Argument(None, help="key=value over the recipe."),
    output: Path = typer.Option(None, "--output", help="The file to write; left out, RECIPE.dra.yaml here."),
) -> None:
    """Write what a recipe says of the adjustment to a file, and print the engine's command that uses it."""
    from dra_toolkit.adapters.settings import command, settings_text
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.runs.files import publish_text

    found = load_recipe(recipe, overrides or ())
    file = output or Path(f"{found.name}.dra.yaml")
    text, line = settings_text(found), command(engine.value, found, file.resolve())
    publish_text(file, text)
    typer.echo(f"# {file} says how rewards are adjusted; add your own arguments to\n{line}")
