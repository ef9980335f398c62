"""Whether the data that a recipe names can be there, seen without reading it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.errors import did_you_mean
from dra_toolkit.recipe.keys import BUILTIN_PREFIX, BUILTINS

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def check_builtin(key: str, name: str) -> Iterator[str]:
    """Yield the problem with a `builtin:` name, if it has one."""
    builtin = name.removeprefix(BUILTIN_PREFIX)
    if builtin not in BUILTINS:
        known = ", ".join(BUILTIN_PREFIX + b for b in BUILTINS)
        yield f"{key}: found {name!r}, expected one of {known}{did_you_mean(builtin, BUILTINS)}"


def check_data(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield each problem with the data that a recipe names."""
    name = recipe["dataset_name"]
    if name is None:
        yield "dataset_name: missing; expected a Hub id, or a JSONL, CSV or Parquet file"
    elif name.startswith(BUILTIN_PREFIX):
        yield from check_builtin("dataset_name", name)
    elif name.endswith(DATA_SUFFIXES):
        file = Path(name).expanduser()
        if not file.is_file():
            siblings = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
            yield f"dataset_name: there is no file {name}{did_you_mean(file.name, siblings)}"
        elif file.stat().st_size == 0:
            yield f"dataset_name: {name} is empty"
        elif recipe["eval_strategy"] != "no":
            yield (
                f"eval_strategy: the single file {name} has no held-out part; put train{file.suffix} and "
                f"test{file.suffix} into a folder and name the folder"
            )
    elif not Path(name).expanduser().is_dir() and not HUB_ID.fullmatch(name):
        yield f"dataset_name: found {name!r}, expected a Hub id, a folder, or a file ending in {', '.join(DATA_SUFFIXES)}"
