"""The gold answers of a recipe whose data lie on this machine, read as training will read them."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.doctor.findings import Finding, ok, problem, warning
from dra_toolkit.doctor.local_data import column_values, training_file
from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.gold_report import GoldReport, as_texts, report_golds
from dra_toolkit.recipe import Recipe
from dra_toolkit.rewards.registry import REWARDS


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
        golds = as_texts(column_values(file, column), name=name, column=column)
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
