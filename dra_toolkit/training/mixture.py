"""Several data sets as one: which rows of each, which columns they share, and their golds, read once before training."""

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from datasets import Dataset, Features, Value, concatenate_datasets

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.gold_report import as_texts, report_golds
from dra_toolkit.training.conversation import Tell
from dra_toolkit.training.data_sources import Source

TEXTS = ("string", "large_string", "string_view")


def mixed(
    datasets: Sequence[Dataset], members: Sequence[Source], weights: Sequence[float] | None, *, seed: int, tell: Tell
) -> Dataset:
    """Mix data sets by weights, shuffled with `seed`; without weights, return all rows, one data set after the other.

    Raises RecipeError where they do not fit together; tells how many rows of each are in, and which columns are not.
    """
    names = [member.name for member in members]
    texts = _with_equal_solutions([_with_plain_texts(dataset) for dataset in datasets], members, tell)
    datasets = _with_common_columns(texts, names, tell)
    sizes = [len(dataset) for dataset in datasets]
    counts = sizes if weights is None else shares(sizes, weights)
    key = "dataset_name" if weights is None else "dataset_weights"
    listed = ", ".join(
        f"{count} of {size} rows of {name}" for count, size, name in zip(counts, sizes, names, strict=True)
    )
    tell(f"{key}: the mixture has {sum(counts)} rows: {listed}")
    if weights is None:
        return concatenate_datasets(datasets)
    if 0 in counts:
        name = names[counts.index(0)]
        raise RecipeError(
            f"dataset_weights: so small a weight leaves no row of {name} in a mixture of {sum(counts)} rows; raise it, or "
            "leave the data set out"
        )
    random = np.random.default_rng(seed)
    chosen = [
        dataset.select(random.permutation(len(dataset))[:count])
        for dataset, count in zip(datasets, counts, strict=True)
    ]
    return concatenate_datasets(chosen).select(random.permutation(sum(counts)))


def shares(sizes: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Return how many rows of each data set make the largest mixture in which none is too small for its weight.

    n_i = round(w_i / sum(w) * n), n the largest with w_i / sum(w) * n <= size_i for all i; a weight written 0.1 is a tenth.
    """
    exact = [Fraction(str(weight)) for weight in weights]
    parts = [weight / sum(exact) for weight in exact]
    total = int(min(size / part for size, part in zip(sizes, parts, strict=True)))
    return [round(part * total) for part in parts]


def _with_common_columns(datasets: Sequence[Dataset], names: Sequence[str], tell: Tell) -> list[Dataset]:
    """Return the data sets with the columns that all have with one type; a column left out is told."""
    first = datasets[0].features
    for dataset, name in zip(datasets, names, strict=True):
        if dataset.features["prompt"] != first["prompt"]:
            raise RecipeError(
                f"dataset_name: {names[0]} and {name} cannot be mixed, the messages in their prompts have different fields; "
                "expected role and a text as content in both"
            )
    common = [name for name in first if all(dataset.features.get(name) == first[name] for dataset in datasets)]
    left_out = dict.fromkeys(name for dataset in datasets for name in dataset.column_names if name not in common)
    if left_out:
        listed = ", ".join(f"{name} ({_holders(name, datasets, names)})" for name in left_out)
        tell(f"dataset_name: columns that are not alike in all data sets are left out of the mixture: {listed}")
    return [dataset.select_columns(common) for dataset in datasets]


def _holders(column: str, datasets: Sequence[Dataset], names: Sequence[str]) -> str:
    holders = [name for dataset, name in zip(datasets, names, strict=True) if column in dataset.column_names]
    return "of different types" if len(holders) == len(names) else f"only in {', '.join(holders)}"


def _with_plain_texts(dataset: Dataset) -> Dataset:
    """Return the data set with one type for texts, of which file formats have several."""
    plain = {name: Value("string") if _is_text(feature) else feature for name, feature in dataset.features.items()}
    return dataset if plain == dataset.features else dataset.cast(Features(plain))


def _is_text(feature: Any) -> bool:
    return isinstance(feature, Value) and feature.dtype in TEXTS


def _with_equal_solutions(datasets: list[Dataset], members: Sequence[Source], tell: Tell) -> list[Dataset]:
    """Return the data sets with solutions of one type; where some are numbers and others texts, all become texts."""
    types = [dataset.features.get("solution") for dataset in datasets]
    if None in types or all(found == types[0] for found in types):
        return datasets
    numbers = [member.name for member, found in zip(members, types, strict=True) if not _is_text(found)]
    texts = [
        _with_texts_as_golds(dataset, member.name, str(member.solution_column), short=True)
        for dataset, member in zip(datasets, members, strict=True)
    ]
    tell(f"solution_column: the solutions of {', '.join(numbers)} become texts, as the data sets differ in their type")
    return texts


def with_read_golds(dataset: Dataset, source: Source, tell: Tell) -> Dataset:
    """Return a data set in TRL's shape with golds as texts, and tell how they are read.

    Raises RecipeError for a gold that is a list of several, an object or a date, and where most cannot be read.
    """
    if source.solution_column is None:
        return dataset
    name, column = source.name, source.solution_column
    dataset = _with_texts_as_golds(dataset, name, column)
    if int(os.environ.get("RANK", "0")) == 0:  # a mistake that one process finds ends all
        from dra_toolkit.judge.service import shared_judge

        report = report_golds(dataset["solution"][:], shared_judge().read_golds, name=name, column=column)
        tell(f"{name}: {report.line}")
    return dataset


def _with_texts_as_golds(dataset: Dataset, name: str, column: str, *, short: bool = False) -> Dataset:
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
