"""Settings on the command line in the spellings of the neighbours: `key=value`, `--key value`, `--key=value`, `--flag`."""

from collections.abc import Sequence
from pathlib import Path

import typer

from dra_toolkit.errors import RecipeError, did_you_mean

SETTINGS = {"ignore_unknown_options": True}
"""What a command with such settings is made with, so that it is handed what it has no option for."""
CONFIG = typer.Option(None, "--config", metavar="RECIPE", help="The recipe, as TRL's commands name it.")
KEYS = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings instead of the recipe's; --key value is the same.")
OPTIONS = ("--config", "--dry-run", "--resume", "--overwrite", "--sweep", "--json", "--slurm", "--help")


def read_command(recipe: str | None, config: Path | None, given: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the recipe, by argument or by --config, and the settings as `key=value`; raises RecipeError for two recipes."""
    if config is not None and recipe is not None:
        if "=" not in recipe and not recipe.startswith("--"):
            raise RecipeError(f"--config {config}: the recipe is named as {recipe!r} too; name it once")
        given = [recipe, *given]
    elif recipe is not None and recipe.startswith("--"):
        raise RecipeError(f"{recipe}: no such option{did_you_mean(recipe, OPTIONS)}; dra train RECIPE [KEY=VALUE]...")
    return (str(config) if config is not None else recipe), read_overrides(given)


def read_overrides(given: Sequence[str]) -> list[str]:
    """Return settings as `key=value`; raises RecipeError for an option that is neither a key nor known."""
    from dra_toolkit.recipe import known_keys
    from dra_toolkit.recipe.legacy_tables import DROPPED, RENAMED

    keys, found, items = known_keys(), [], list(given)
    while items:
        item = items.pop(0)
        if not item.startswith("--"):
            found.append(item)
            continue
        key, equals, value = item.removeprefix("--").partition("=")
        key = key.replace("-", "_")
        if key not in keys and key not in RENAMED and key not in DROPPED:
            known = [*OPTIONS, *(f"--{name}" for name in keys)]
            option = item.partition("=")[0]
            raise RecipeError(f"{option}: no such option, and no key of a recipe{did_you_mean(item, known)}")
        if not equals:
            is_flag = key in keys and "bool" in keys[key].kinds
            if items and not items[0].startswith("--") and not (is_flag and "=" in items[0]):
                value = items.pop(0)
            elif is_flag:
                value = "true"
            else:
                raise RecipeError(f"--{key}: expected a value, as in --{key} VALUE or {key}=VALUE")
        found.append(f"{key}={value}")
    return found
