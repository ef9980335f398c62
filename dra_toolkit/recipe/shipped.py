"""The recipes and launch configurations that come with the toolkit, and how a recipe is found by its name."""

import itertools
import os
from pathlib import Path

from dra_toolkit.errors import RecipeError, did_you_mean

_IN_WHEEL = Path(__file__).parents[1] / "shipped_recipes"
_IN_CHECKOUT = Path(__file__).parents[2] / "recipes"
_DOCS = Path(__file__).parents[1] / "shipped_docs", Path(__file__).parents[2] / "docs"


def recipes_folder() -> Path:
    """Return the folder of the shipped recipes: inside the package when installed, beside it in a checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def shipped_docs() -> dict[str, Path]:
    """Return the pages of the documentation by name."""
    return {path.stem: path for folder in _DOCS for path in sorted(folder.rglob("*.md")) if path.stem != "README"}


def shipped_recipes() -> dict[str, Path]:
    """Return the shipped recipes by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


def shipped_launch_configs() -> dict[str, Path]:
    """Return accelerate's configuration files by name."""
    return {path.stem: path for path in sorted((recipes_folder() / "launch").glob("*.yaml"))}


def find_recipe(text: str | Path) -> Path:
    """Return the file that `text` means: an existing file, else the shipped recipe of this name.

    Raises RecipeError, naming the nearest one, if there is neither.
    """
    path = Path(os.path.expanduser(text))
    shipped = shipped_recipes()
    if os.path.exists(path) and not (path.is_dir() and str(text) in shipped):
        return path
    if str(text) in shipped:
        return shipped[str(text)]
    nearest = did_you_mean(path.name, [p.name for p in path.parent.glob("*.y*ml")]) or did_you_mean(path.stem, shipped)
    raise RecipeError(f"{text}: there is no such recipe{nearest}; `dra recipes` lists the shipped ones")


def read_header(path: Path) -> dict[str, str]:
    """Return what the opening comment of a recipe or launch configuration says of it, empty where it says nothing.

    `purpose` is its first line, `hardware` and `cost` are the lines `# Hardware: ...` and `# Cost: ...`.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    labelled = {}
    for key in ("hardware", "cost"):
        found = (line for line in comment if line.lower().startswith(f"{key}:"))
        labelled[key] = next(found, "").partition(":")[2].strip()
    first = comment[0] if comment and not comment[0].lower().startswith(("hardware:", "cost:")) else ""
    return {"purpose": first, **labelled}
