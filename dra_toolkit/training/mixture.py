"""Several data sets as one: which rows of each, and which columns they share."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from datasets import Dataset, Features, Value, concatenate_datasets

from dra_toolkit.errors import RecipeError
from dra_toolkit.training.conversation import Tell

TEXTS = ("string", "large_string", "string_view")


def mixed(
    datasets: Sequence[Dataset], names: Sequence[str], weights: Sequence[float] | None, *, seed: int, tell: Tell
) -> Dataset:
    """Mix data sets by weights, shuffled with `seed`; without weights, return all rows, one data set after the other.

    Raises RecipeError where they do not fit together; tells how many rows of each are in, and which columns are not.
    """
    datasets = _with_common_columns(datasets, names, tell)
    sizes = [len(dataset) for dataset in datasets]
    if weights is None:
        _tell_rows("dataset_name", sizes, sizes, names, tell)
        return concatenate_datasets(datasets)
    counts = shares(sizes, weights)
    _tell_rows("dataset_weights", counts, sizes, names, tell)
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

    n_i = round(w_i / sum(w) * n), n the largest total with w_i / sum(w) * n <= size_i for every i. Weights are taken as
    they are written in decimals, so that 0.1 is a tenth.
    """
    exact = [Fraction(str(weight)) for weight in weights]
    parts = [weight / sum(exact) for weight in exact]
    total = int(min(size / part for size, part in zip(sizes, parts, strict=True)))
    return [round(part * total) for part in parts]


def _tell_rows(key: str, counts: Sequence[int], sizes: Sequence[int], names: Sequence[str], tell: Tell) -> None:
    listed = ", ".join(
        f"{count} of {size} rows of {name}" for count, size, name in zip(counts, sizes, names, strict=True)
    )
    tell(f"{key}: the mixture has {sum(counts)} rows: {listed}")


def _with_common_columns(datasets: Sequence[Dataset], names: Sequence[str], tell: Tell) -> list[Dataset]:
    """Return the data sets with the columns that all have with one type; a column left out is told."""
    typed = _with_equal_solutions([_with_plain_texts(dataset) for dataset in datasets], names, tell)
    first = typed[0].features
    _check_prompts_fit(typed, names)
    common = [name for name in first if all(dataset.features.get(name) == first[name] for dataset in typed)]
    left_out = dict.fromkeys(name for dataset in typed for name in dataset.column_names if name not in common)
    if left_out:
        listed = ", ".join(f"{name} ({_holders(name, typed, names)})" for name in left_out)
        tell(f"dataset_name: columns that are not alike in all data sets are left out of the mixture: {listed}")
    return [dataset.select_columns(common) for dataset in typed]


def _with_plain_texts(dataset: Dataset) -> Dataset:
    """Return the data set with one type for texts, of which file formats have several."""
    plain = {name: Value("string") if _is_text(feature) else feature for name, feature in dataset.features.items()}
    return dataset if plain == dataset.features else dataset.cast(Features(plain))


def _is_text(feature: Any) -> bool:
    return isinstance(feature, Value) and feature.dtype in TEXTS


def _with_equal_solutions(datasets: list[Dataset], names: Sequence[str], tell: Tell) -> list[Dataset]:
    """Return the data sets with solutions of one type; where some are numbers and others texts, all become texts."""
    types = [dataset.features.get("solution") for dataset in datasets]
    if None in types or all(found == types[0] for found in types):
        return datasets
    numbers = [name for name, found in zip(names, types, strict=True) if not _is_text(found)]
    texts = [
        dataset if _is_text(found) else _solutions_as_texts(dataset, name)
        for dataset, name, found in zip(datasets, names, types, strict=True)
    ]
    tell(f"solution_column: the solutions of {', '.join(numbers)} become texts, as the data sets differ in their type")
    return texts


def _solutions_as_texts(dataset: Dataset, name: str) -> Dataset:
    solutions = [_as_text(solution, name) for solution in dataset["solution"]]
    return dataset.remove_columns("solution").add_column("solution", solutions, feature=Value("string"))


def _as_text(solution: Any, name: str) -> str | None:
    if solution is None or isinstance(solution, str):
        return solution
    if isinstance(solution, int | float) and not isinstance(solution, bool):
        return str(int(solution)) if float(solution).is_integer() else str(solution)
    raise RecipeError(
        f"solution_column: {name} has a solution that is neither a text nor a number ({str(solution)[:80]!r}), which cannot "
        "be mixed with those of other data sets"
    )


def _check_prompts_fit(datasets: Sequence[Dataset], names: Sequence[str]) -> None:
    for dataset, name in zip(datasets, names, strict=True):
        if dataset.features["prompt"] != datasets[0].features["prompt"]:
            raise RecipeError(
                f"dataset_name: {names[0]} and {name} cannot be mixed, the messages in their prompts have different fields; "
                "expected role and a text as content in both"
            )


def _holders(column: str, datasets: Sequence[Dataset], names: Sequence[str]) -> str:
    holders = [name for dataset, name in zip(datasets, names, strict=True) if column in dataset.column_names]
    return "of different types" if len(holders) == len(names) else f"only in {', '.join(holders)}"
