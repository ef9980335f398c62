"""The gold answers of a data set, read once before training."""

from __future__ import annotations

import os
from collections.abc import Mapping

from datasets import Dataset, Value

from dra_toolkit.judge.golds import as_texts, report_golds
from dra_toolkit.recipe import Recipe
from dra_toolkit.rewards.registry import REWARDS
from dra_toolkit.training.conversation import Tell
from dra_toolkit.training.data_sources import Source


def needs_golds(recipe: Recipe) -> bool:
    """Return whether a reward of the recipe judges answers."""
    return any(getattr(REWARDS.get(name), "judges_answers", False) for name in recipe.objective.reward_funcs)


def with_read_golds(dataset: Dataset, source: Source, tell: Tell) -> Dataset:
    """Return a data set in TRL's shape with golds as texts, and tell how they are read.

    Raises RecipeError for a gold that is a list of several, an object or a date, and where most cannot be read.
    """
    if source.solution_column is None:
        return dataset
    name, column = source.name, source.solution_column
    dataset = with_texts_as_golds(dataset, name, column)
    if int(os.environ.get("RANK", "0")) == 0:  # a mistake that one process finds ends all
        from dra_toolkit.judge.service import shared_judge

        report = report_golds(dataset["solution"][:], shared_judge().read_golds, name=name, column=column)
        tell(f"{name}: {report.line}")
    return dataset


def with_texts_as_golds(dataset: Dataset, name: str, column: str, *, short: bool = False) -> Dataset:
    """Return a data set in TRL's shape whose golds are texts; raises RecipeError for one that cannot be.

    short: write 12.0, which is 12 in a file with missing values, as 12
    """
    found = dataset["solution"]
    if short:
        found = [int(gold) if isinstance(gold, float) and gold.is_integer() else gold for gold in found]
    golds = as_texts(found, name=name, column=column)
    if dataset.features["solution"] == Value("string"):
        return dataset
    return dataset.remove_columns("solution").add_column("solution", golds, feature=Value("string"))


def reached(dataset: Dataset, column: str | None) -> Dataset:
    """Return a data set that has a column named with dots, `reward_model.ground_truth`, beside the one it lies in."""
    if column is None or column in dataset.column_names or column.partition(".")[0] not in dataset.column_names:
        return dataset
    outer, *inner = column.split(".")
    values = []
    for value in dataset[outer]:
        for key in inner:
            value = value.get(key) if isinstance(value, Mapping) else None
        values.append(value)
    return dataset if all(value is None for value in values) else dataset.add_column(column, values)
