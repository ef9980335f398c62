"""Whether the data has the columns that a recipe and its rewards name, as far as files and source code show it."""

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dra_toolkit.dotted import is_dotted, load_dotted, look_beside, parameters_of
from dra_toolkit.errors import DRAError, did_you_mean
from dra_toolkit.recipe.data_columns import data_columns
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.rewards import REWARDS, names_model

GIVEN_BY_TRL = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments")
"""What every reward function is given besides the columns of the data."""
ACCEPTED: dict[str, Callable[[Any], bool]] = {
    "tools": inspect.isroutine,
    "reward_funcs": lambda found: callable(found) and not isinstance(found, type),  # it would be made of completions
}
"""What may stand at a key's dotted path; elsewhere whatever can be called."""


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
    for key in ("prompt_column", "solution_column"):
        column = recipe.data.for_each(recipe[key])[0]
        within = [other for other in columns if other.startswith(f"{column}.")]
        top = "" if column is None else column.partition(".")[0]
        unseen = top in columns and not any(other.startswith(f"{top}.") for other in columns)  # `a.b`, of an unknown a
        if column is not None and column not in columns and not unseen:
            yield f"{key}: {name} has no column {column!r}, it has {', '.join(columns)}{did_you_mean(column, columns)}"
        elif within and key == "prompt_column":
            yield f"{key}: {column!r} of {name} is an object with {', '.join(within)}, expected a text or a list of messages"
    yield from _check_rewards(recipe, [*columns, "solution"])


def import_problems(recipe: Recipe) -> list[str]:
    """Import every function of the user's that a recipe names, which the user asked for; return what is wrong with each."""
    look_beside(recipe.folder)
    others = [("reward_funcs", name) for name in recipe.objective.reward_funcs or () if not names_model(name)]
    others += [("diversity_labels", recipe.diversity.labels), ("diversity", recipe.diversity.measure)]
    others += [("embedder", recipe.embedder.name)] if not os.path.isdir(recipe.embedder.name) else []
    functions = [*((key, name) for key, name in others if is_dotted(name)), *recipe.objective.own_code()]
    problems: list[str] = []
    for key, name in functions:
        try:
            load_dotted(key, name, accepts=ACCEPTED.get(key, callable))
        except DRAError as found:
            problems += found.problems
    return problems


def _check_rewards(recipe: Recipe, columns: list[str]) -> Iterator[str]:
    """Yield what the user's reward functions ask for by name and will not get."""
    any_name = recipe.objective.rollout_func is not None  # it may give more than columns
    for name in recipe.objective.reward_funcs or ():
        parameters = None if name in REWARDS else parameters_of(name, recipe.folder)
        if parameters is None:
            continue
        positional = [*parameters.posonlyargs, *parameters.args]
        needed = positional[: len(positional) - len(parameters.defaults)]
        needed += [one for one, has in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if not has]
        for lacking in (each.arg for each in needed if each.arg not in (*GIVEN_BY_TRL, *columns) and not any_name):
            there = f"{', '.join(columns)}{did_you_mean(lacking, columns)}"
            yield f"reward_funcs: {name!r} asks for {lacking!r}, which is no column; the data has {there}"
        if parameters.kwarg is None:
            yield f"reward_funcs: {name!r} takes only some names, and is given every column; add **columns to it"
