"""Where files and folders that a recipe names are looked for: beside the recipe, then in the working folder."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dra_toolkit.embedding import EMBEDDERS
from dra_toolkit.recipe.recipe import Origin
from dra_toolkit.recipe.shipped import shipped_launch_configs

PATH_KEYS = ("model_name_or_path", "dataset_name", "accelerate_config", "deepspeed", "embedder")
"""Keys whose text may be a path."""


def placed(key: str, value: Any, origin: Origin, folder: Path | None) -> Any:
    """Return a value of a key with relative paths that lie beside the recipe led there; an override's only if nothing
    of that name lies in the working folder."""
    if folder is None or key not in PATH_KEYS:
        return value
    if isinstance(value, list):
        return [placed(key, each, origin, folder) for each in value]
    if not isinstance(value, str) or not value or value.startswith(("~", "/")) or value in _names(key):
        return value
    beside = os.path.join(folder, value)
    if not os.path.exists(beside) or (origin == "override" and os.path.exists(value)):
        return value
    return str(Path(beside)) if os.path.abspath(folder) == os.getcwd() else os.path.abspath(beside)


def _names(key: str) -> Collection[str]:
    """Return what a key calls by name, whatever lies beside the recipe: a run in a folder `ddp` is no configuration."""
    return {"accelerate_config": shipped_launch_configs(), "embedder": (*EMBEDDERS, "none")}.get(key, ())


def same_place(key: str, before: Any, now: Any, folder: Path | None) -> bool:
    """Return whether two values of a key are one path, the first as it was written then: here, or beside the recipe."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return all(same_place(key, *pair, folder) for pair in zip(before, now, strict=True))
    if key not in PATH_KEYS or not isinstance(before, str) or not isinstance(now, str):
        return bool(before == now)
    places = {os.path.abspath(before), os.path.abspath(os.path.join(folder or "", before))}
    return before == now or (os.path.exists(now) and os.path.abspath(now) in places)


def looked_in(name: str, folder: Path | None) -> str:
    """Return, as the end of a message, where a relative path is looked for, and what lies beside the recipe."""
    if name.startswith(("/", "~")):
        return ""
    here = os.getcwd()
    if folder is None or os.path.abspath(folder) == here:
        return f"; looked in {here}"
    lying = sorted(each for each in os.listdir(folder) if not each.startswith((".", "_")))
    shown = ", ".join(lying[:4]) + (" ..." if len(lying) > 4 else "")
    return f"; looked in {os.path.abspath(folder)} ({shown}) and {here}"
