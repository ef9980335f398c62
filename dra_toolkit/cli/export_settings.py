"""`dra export-settings`: what a recipe says of the adjustment, for another trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from dra_toolkit.cli.common import user_errors


@user_errors
def export_settings(
    recipe: str = typer.Argument(..., help="A recipe, or the name of a shipped one."),
    engine: Literal["verl", "slime", "ms-swift"] = typer.Argument(..., help="The engine that is to train."),
    overrides: list[str] = typer.Argument(None, help="key=value over the recipe."),
    output: Path = typer.Option(None, help="The file to write; left out, RECIPE.dra.yaml here."),
) -> None:
    """Write what a recipe says of the adjustment to a file, and print the engine's command that uses it."""
    from dra_toolkit.adapters.settings import command, settings_text
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.runs.files import publish_text

    found = load_recipe(recipe, overrides or ())
    file = output or Path(f"{found.name}.dra.yaml")
    text, line = settings_text(found), command(engine, found, file.resolve())
    publish_text(file, text)
    typer.echo(f"# {file} says how rewards are adjusted; add your own arguments to\n{line}")
