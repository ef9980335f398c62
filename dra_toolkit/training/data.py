"""The data set as the trainer reads it: a conversation in `prompt`, the gold answer in `solution`, the rest as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, load_dataset
from datasets.exceptions import DatasetNotFoundError

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.quickstart import QuickstartAssets, cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX

FILE_TYPES = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


def load_split(recipe: Mapping[str, Any], name: str, split: str) -> Dataset:
    """Load one split of a file, folder or Hub data set and bring its columns into TRL's shape.

    Raises RecipeError for a data set that cannot be found or read, is empty, or lacks a named column.
    """
    dataset = _load(recipe, name, split)
    if len(dataset) == 0:
        raise RecipeError(f"dataset_name: {name} has no rows in split {split!r}")
    for key in ("prompt_column", "solution_column"):
        column = recipe[key]
        if column is not None and column not in dataset.column_names:
            raise RecipeError(
                f"{key}: {name} has no column {column!r}, it has {', '.join(dataset.column_names)}"
                f"{did_you_mean(column, dataset.column_names)}"
            )
    return _shape(dataset, recipe)


def training_splits(recipe: Mapping[str, Any]) -> tuple[Dataset, Dataset | None]:
    """Return the training split and, where the recipe evaluates, the evaluation split."""
    name, evaluates = recipe["dataset_name"], recipe["eval_strategy"] != "no"
    if name.startswith(BUILTIN_PREFIX):
        made = made_ways()
        held_out = load_split(recipe, str(made.heldout), "train") if evaluates else None
        return load_split(recipe, str(made.train), "train"), held_out
    train = load_split(recipe, name, recipe["dataset_train_split"])
    return train, load_split(recipe, name, recipe["dataset_test_split"]) if evaluates else None


def made_ways() -> QuickstartAssets:
    """Return the quickstart's model and data; raises RecipeError if they were not made before."""
    assets = cached_ways()
    if assets is None:
        raise RecipeError("builtin:ways is not made yet; run `python -m dra_toolkit.quickstart`")
    return assets


def _load(recipe: Mapping[str, Any], name: str, split: str) -> Dataset:
    path = Path(name).expanduser()
    try:
        if path.suffix in FILE_TYPES:
            return load_dataset(FILE_TYPES[path.suffix], data_files={split: str(path)}, split=split)
        return load_dataset(name, recipe["dataset_config"], split=split)
    except DatasetNotFoundError:
        raise RecipeError(
            f"dataset_name: {name} is not on the Hub or needs a login (`hf auth login`), and no such folder exists"
        ) from None
    except ConnectionError as error:
        raise RecipeError(
            f"dataset_name: {name} cannot be fetched ({_first_line(error)}); fetch it beforehand"
        ) from None
    except ValueError as error:
        if "corresponds to no data" in str(error):
            raise RecipeError(f"dataset_name: {name} has no rows in split {split!r}") from None
        raise RecipeError(f"dataset_name: {name} cannot be read ({_first_line(error)})") from None
    except Exception as error:  # the readers of datasets raise many types for a file they cannot read
        cause = error.__cause__ or error
        raise RecipeError(f"dataset_name: {name} cannot be read ({_first_line(cause)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _shape(dataset: Dataset | DatasetDict, recipe: Mapping[str, Any]) -> Dataset:
    system = recipe["system_prompt"]
    opening = [{"role": "system", "content": system}] if system else []
    prompt_column, solution_column = recipe["prompt_column"], recipe["solution_column"]

    def conversation(row: dict[str, Any]) -> dict[str, Any]:
        found = row[prompt_column]
        messages = found if isinstance(found, list) else [{"role": "user", "content": str(found)}]
        return {"prompt": opening + messages}

    if solution_column not in (None, "solution"):
        dataset = dataset.remove_columns([c for c in ("solution",) if c in dataset.column_names])
        dataset = dataset.rename_column(solution_column, "solution")
    return dataset.map(conversation, remove_columns=[c for c in (prompt_column,) if c != "prompt"])
