"""Whether the data has the columns that a recipe and its rewards name, as far as files and source code show it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.dotted import load_dotted, look_beside, parameters_of
from dra_toolkit.errors import DRAError, EmbedderError, MeasureError, did_you_mean
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.rewards import REWARDS

GIVEN_BY_TRL = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""What every reward function is given besides the columns of the data."""


def check_columns(recipe: Recipe) -> Iterator[str]:
    """Yield each column that the first data set lacks, where it is a file whose columns can be told at once."""
    name = recipe.data.names[0]
    try:
        columns = data_columns(Path(os.path.expanduser(name)))
    except UnicodeDecodeError as error:
        yield f"dataset_name: {name} is not UTF-8 (byte {error.start} is {error.object[error.start]:#04x}); save it as UTF-8"
        return
    if not columns:
        return
    wanted = ("prompt_column", recipe.data.prompt_column), ("solution_column", recipe.data.solution_column)
    for key, value in wanted:
        column = value[0] if isinstance(value, list) else value
        if column is not None and not {column, column.partition(".")[0]} & set(columns):  # `a.b` is within a
            yield f"{key}: {name} has no column {column!r}, it has {', '.join(columns)}{did_you_mean(column, columns)}"
    yield from _check_rewards(recipe, [*columns, "solution"])


def data_columns(path: Path) -> list[str]:
    """Return the columns of a JSONL, CSV or Parquet file by its beginning; none where they cannot be told.

    Raises UnicodeDecodeError for a text that is not UTF-8.
    """
    if not os.path.isfile(path):
        return []
    if path.suffix == ".parquet":
        return _parquet_columns(path)
    if path.suffix not in (".jsonl", ".csv"):
        return []
    with open(path, encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            return next(csv.reader(file), [])
        rows = (_row(line) for line in file if line.strip())
        return list(dict.fromkeys(key for row, _ in zip(rows, range(100), strict=False) for key in row))


def import_problems(recipe: Recipe) -> list[str]:
    """Import every function of the user's that a recipe names, which the user asked for; return what is wrong with each."""
    look_beside(recipe.folder)
    functions = [("reward_funcs", name) for name in recipe.objective.reward_funcs or () if name not in REWARDS]
    functions += [("embedder", recipe.embedder.name)] if _is_users(recipe.embedder.name) else []
    adjusting = ("diversity_labels", recipe.diversity.labels), ("diversity", recipe.diversity.measure)
    functions += [(key, name) for key, name in adjusting if "." in name]
    functions += recipe.objective.own_code()
    problems: list[str] = []
    for key, name in functions:
        error = {"embedder": EmbedderError, "diversity": MeasureError}.get(key, DRAError)
        try:
            load_dotted(key, name, error=error)
        except DRAError as found:
            problems += found.problems
    return problems


def _is_users(embedder: str) -> bool:
    return "." in embedder and "/" not in embedder and not os.path.isdir(embedder)


def _row(line: str) -> list[str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return [str(key) for key in row] if isinstance(row, dict) else []


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return []  # told by whoever reads its rows


def _check_rewards(recipe: Recipe, columns: list[str]) -> Iterator[str]:
    """Yield what the user's reward functions ask for by name and will not get."""
    for name in recipe.objective.reward_funcs or ():
        parameters = None if name in REWARDS else parameters_of(name, recipe.folder)
        if parameters is None:
            continue
        positional = [*parameters.posonlyargs, *parameters.args]
        only_named = zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
        needed = positional[: len(positional) - len(parameters.defaults)] + [
            each for each, has in only_named if not has
        ]
        for lacking in (each.arg for each in needed if each.arg not in (*GIVEN_BY_TRL, *columns)):
            yield (
                f"reward_funcs: {name!r} asks for {lacking!r}, which is no column; the data has {', '.join(columns)}"
                f"{did_you_mean(lacking, columns)}"
            )
        if parameters.kwarg is None:
            yield f"reward_funcs: {name!r} takes only some names, and is given every column; add **columns to it"
