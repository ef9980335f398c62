"""The gold answers of a recipe whose data lie on this machine, read as training will read them."""

import csv
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.doctor.findings import Finding, ok, problem, warning
from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.golds import GoldReport, as_texts, report_golds
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.check_data import DATA_SUFFIXES
from dra_toolkit.rewards.registry import REWARDS
from dra_toolkit.safe_text import first_line


def local_golds(recipe: Recipe) -> Iterator[tuple[str, GoldReport]]:
    """Yield how the golds of each local data set are read, where a reward of the recipe judges answers.

    Raises RecipeError for golds that training would refuse. Nothing is yielded for data that lie elsewhere, nor where the
    packages that training needs are missing.
    """
    if not any(getattr(REWARDS.get(name), "judges_answers", False) for name in recipe.objective.reward_funcs):
        return
    if any(importlib.util.find_spec(name) is None for name in ("math_verify", "mpmath", "pebble")):
        return
    from dra_toolkit.judge.service import shared_judge

    for name, column in zip(recipe.data.names, recipe.data.for_each(recipe.data.solution_column), strict=True):
        file = training_file(Path(name).expanduser())
        if file is None or column is None:
            continue
        golds = as_texts(_values(file, column), name=name, column=column)
        if golds:
            yield name, report_golds(golds, shared_judge().read_golds, name=name, column=column)


def check_golds(recipe: Recipe) -> Iterator[Finding]:
    """Yield what can be said of the golds: that they are read, that some are not, or why training would stop."""
    try:
        for name, report in local_golds(recipe):
            found, fix = f"{name}: {report.line}", "completions of these prompts get no reward; mend or remove the rows"
            yield warning("golds", found, fix) if report.unread else ok("golds", found)
    except RecipeError as error:
        for line in error.problems:
            yield problem("golds", line, "set solution_column, or mend the data")
    except OSError as error:
        yield problem("golds", f"the data cannot be read ({error.strerror})", "look at dataset_name")


def training_file(path: Path) -> Path | None:
    """Return the file of local data that training reads: the path, or the only fitting one in its folder."""
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.suffix in DATA_SUFFIXES) if path.is_dir() else []
    named = [file for file in files if "train" in file.name]
    return (named or files)[0] if len(named or files) == 1 else None


def _values(path: Path, column: str) -> list[Any]:
    """Return the values of a column, which may be named with dots, of all rows that have any; [] for another format."""
    try:
        rows = list(read_rows(path))
    except ValueError as error:
        raise RecipeError(f"dataset_name: {path} cannot be read ({first_line(error)})") from None
    if column not in (rows[0] if rows else {}) and "." not in column:
        return []
    return [_reached(row, column) for row in rows]


def read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a Parquet, CSV, JSON or JSONL file; raises OSError and ValueError."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    else:
        with open(path, encoding="utf-8-sig") as file:
            if path.suffix == ".json":
                found = json.load(file)
                yield from found if isinstance(found, list) else []
            else:
                yield from (json.loads(line) for line in file if line.strip())


def _reached(row: Mapping[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    value: Any = row
    for key in column.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
