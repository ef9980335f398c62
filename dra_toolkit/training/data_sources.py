"""Read one split of a data set, wherever it lies: a file, a folder, the Hub, or made by the toolkit."""

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, load_dataset

from dra_toolkit.errors import RecipeError
from dra_toolkit.quickstart import QuickstartAssets, cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.training.hub_errors import first_words, hub_problem

FILE_TYPES = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
KEY_BY_MESSAGE = {
    "BuilderConfig": "dataset_config",
    "Config name is missing": "dataset_config",
    "Unknown split": "dataset_{}_split",
}
"""Which key mends what the `datasets` library complains of."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set as a recipe names it."""

    name: str
    prompt_column: str
    solution_column: str | None


def sources(recipe: Recipe) -> list[Source]:
    """Return the recipe's data sets, each with the columns to take from it."""
    data = recipe.data
    columns = zip(data.names, data.for_each(data.prompt_column), data.for_each(data.solution_column), strict=True)
    return [Source(name=name, prompt_column=str(prompt), solution_column=gold) for name, prompt, gold in columns]


def read_split(recipe: Recipe, source: Source, *, held_out: bool = False) -> Dataset:
    """Read the training split of a data set, or the held-out one.

    Raises RecipeError where it cannot be found or read, or has no rows.
    """
    name, which = source.name, "test" if held_out else "train"
    split = recipe.data.dataset_test_split if held_out else recipe.data.dataset_train_split
    try:
        dataset = _load(recipe, name, split, held_out=held_out)
    except RecipeError:
        raise
    except Exception as error:  # the readers of datasets raise many types for what they cannot read
        raise RecipeError(_problem(error, name, split, which)) from None
    if len(dataset) == 0:
        raise RecipeError(f"dataset_name: {name} has no rows in split {split!r}")
    return _reached(dataset, source.solution_column)


def made_ways() -> QuickstartAssets:
    """Return the quickstart's model and data; raises RecipeError if they were not made before."""
    assets = cached_ways()
    if assets is None:
        raise RecipeError("builtin:ways is not made yet; run `python -m dra_toolkit.quickstart`")
    return assets


def _load(recipe: Recipe, name: str, split: str, *, held_out: bool) -> Dataset:
    if name.startswith(BUILTIN_PREFIX):
        path = made_ways().heldout if held_out else made_ways().train
    else:
        path = Path(name).expanduser()
    if path.suffix in FILE_TYPES:
        # words such as None and NA are answers, no missing values
        words = {"keep_default_na": False, "na_values": [""]} if path.suffix == ".csv" else {}
        check_encoding(path)
        return load_dataset(FILE_TYPES[path.suffix], data_files={split: str(path)}, split=split, **words)
    return load_dataset(str(path) if path.is_dir() else name, recipe.data.dataset_config, split=split)


def check_encoding(path: Path) -> None:
    """Raise RecipeError, with the line and the byte, for a file of text that is not UTF-8."""
    if path.suffix == ".parquet":
        return
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise RecipeError(
                    f"dataset_name: {path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; "
                    "write the file anew as UTF-8"
                ) from None


def _problem(error: Exception, name: str, split: str, which: str) -> str:
    if "corresponds to no data" in str(error):
        return f"dataset_name: {name} has no rows in split {split!r}"
    for message, key in KEY_BY_MESSAGE.items():
        if isinstance(error, ValueError) and message in str(error):
            return f"{key.format(which)}: {name}: {first_words(error)}"
    path = Path(name).expanduser()
    if not path.exists() and (problem := hub_problem(error, name, "dataset")):
        return f"dataset_name: {problem}"
    return f"dataset_name: {name} cannot be read ({first_words(error.__cause__ or error)})"


def _reached(dataset: Dataset, column: str | None) -> Dataset:
    """Return a data set that has a column named with dots, `reward_model.ground_truth`, beside the one it lies in."""
    if column is None or column in dataset.column_names:
        return dataset
    flat = dataset.flatten()
    if column not in flat.column_names:
        return dataset
    return dataset.add_column(column, flat[column][:], feature=flat.features[column])
