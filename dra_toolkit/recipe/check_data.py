"""Whether the data that a recipe names can be there, seen without reading it."""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dra_toolkit.errors import counted, did_you_mean
from dra_toolkit.recipe.keys import BUILTIN_PREFIX, BUILTINS
from dra_toolkit.recipe.places import looked_in
from dra_toolkit.recipe.recipe import Recipe

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def check_builtin(key: str, name: str) -> Iterator[str]:
    """Yield the problem with a `builtin:` name, if it has one."""
    builtin = name.removeprefix(BUILTIN_PREFIX)
    if builtin not in BUILTINS:
        known = ", ".join(BUILTIN_PREFIX + b for b in BUILTINS)
        yield f"{key}: found {name!r}, expected one of {known}{did_you_mean(builtin, BUILTINS)}"


def check_data(recipe: Recipe) -> Iterator[str]:
    """Yield each problem with the data that a recipe names."""
    names = recipe.data.names
    if not names:
        yield "dataset_name: missing; expected a Hub id, or a JSONL, CSV or Parquet file"
        return
    for name in names:
        yield from _check_name(name, recipe.folder, evaluates=recipe["eval_strategy"] != "no")
    yield from _check_twice(names)
    yield from _check_columns(recipe, len(names))
    yield from _check_weights(recipe, len(names))


def _check_name(name: str, folder: Path | None, *, evaluates: bool) -> Iterator[str]:
    path = Path(os.path.expanduser(name))
    if name.startswith(BUILTIN_PREFIX):
        yield from check_builtin("dataset_name", name)
    elif name.endswith(DATA_SUFFIXES):
        if not os.path.isfile(path):
            nearest = did_you_mean(path.name, _siblings(path) | _siblings((folder or Path()) / path))
            yield f"dataset_name: there is no file {name}{nearest}{looked_in(name, folder)}"
        elif path.stat().st_size == 0:
            yield f"dataset_name: {name} is empty"
        elif evaluates:
            yield (
                f"eval_strategy: the single file {name} has no held-out part; put train{path.suffix} and "
                f"test{path.suffix} into a folder and name the folder"
            )
    elif os.path.isfile(path) or not (os.path.isdir(path) or HUB_ID.fullmatch(name)):
        yield (
            f"dataset_name: found {name!r}, expected a Hub id, a folder, or a file ending in "
            f"{', '.join(DATA_SUFFIXES)}{did_you_mean(path.name, _siblings(path) - {path.name})}"
        )


def _siblings(path: Path) -> set[str]:
    return {sibling.name for sibling in path.parent.glob("*")}


def _check_twice(names: list[str]) -> Iterator[str]:
    places = [str(path.resolve()) if os.path.exists(path := Path(os.path.expanduser(name))) else name for name in names]
    twice = dict.fromkeys(name for name, place in zip(names, places, strict=True) if places.count(place) > 1)
    if twice:
        yield f"dataset_name: {', '.join(twice)} stands twice; give it a higher weight in dataset_weights instead"


def _check_columns(recipe: Recipe, count: int) -> Iterator[str]:
    columns: dict[str, Sequence[str | None]] = {}
    for key in ("prompt_column", "solution_column"):
        columns[key] = recipe.data.for_each(recipe[key])
        if len(columns[key]) != count:
            yield (
                f"{key}: found {counted(len(columns[key]), 'column')} for {counted(count, 'data set')}, "
                "expected one name for all, or a list with one for each"
            )
    for prompt, solution in zip(columns["prompt_column"], columns["solution_column"], strict=False):
        if prompt == solution:
            yield f"solution_column: found {solution!r}, which is the prompt_column too; expected the gold answer's"


def _check_weights(recipe: Mapping[str, Any], count: int) -> Iterator[str]:
    weights = recipe["dataset_weights"]
    if weights is None:
        return
    if not isinstance(recipe["dataset_name"], list):
        yield "dataset_weights: needs dataset_name to be a list, of the data sets that are mixed; leave it out"
    elif len(weights) != count:
        yield f"dataset_weights: found {len(weights)} weights for {count} data sets, expected one each"
    if bad := [weight for weight in weights if not (weight > 0 and math.isfinite(weight))]:
        yield f"dataset_weights: found {', '.join(map(str, bad))}, expected numbers above 0; leave out a data set instead"
