"""Reward functions by name: the toolkit's own, with their parameters, and anybody's by dotted path."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import PathFinder
from typing import Any

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.rewards import (
    accuracy,
    accuracy_as_released,
    cosine,
    cosine_as_released,
    format,
    format_as_released,
    length,
    reasoning_steps,
    repetition_penalty,
    tag_count,
)
from dra_toolkit.rewards.contract import Reward

REWARDS: dict[str, Callable[..., Reward]] = {
    "accuracy": accuracy.build,
    "format": format.build,
    "tag_count": tag_count.build,
    "reasoning_steps": reasoning_steps.build,
    "length": length.build,
    "cosine": cosine.build,
    "repetition_penalty": repetition_penalty.build,
    "accuracy_as_released": accuracy_as_released.build,
    "cosine_as_released": cosine_as_released.build,
    "format_as_released": format_as_released.build,
}
"""Name -> factory; a factory takes only keyword parameters with defaults and returns the reward function."""


@functools.cache
def reward_parameters() -> Mapping[str, inspect.Parameter]:
    """Return the parameters of all factories by recipe key, `<reward>_<parameter>`, with evaluated annotations."""
    return {
        f"{reward}_{name}": parameter
        for reward, factory in REWARDS.items()
        for name, parameter in inspect.signature(factory, eval_str=True).parameters.items()
    }


def check_reward_name(name: str) -> str | None:
    """Return what is wrong with the name of a reward function, as one line, or None.

    Of a dotted path only the top-level package is looked up; nothing of the user's is imported.
    """
    if name in REWARDS:
        return None
    if "." not in name:
        known = ", ".join(REWARDS)
        return (
            f"reward_funcs: found '{name}', expected one of {known} or a dotted path package.module.function"
            f"{did_you_mean(name, REWARDS)}"
        )
    if not all(part.isidentifier() for part in name.split(".")):
        return f"reward_funcs: found '{name}', expected a dotted path package.module.function"
    top = name.partition(".")[0]
    if top not in sys.modules and importlib.util.find_spec(top) is None and _in_working_directory(top) is None:
        return f"reward_funcs: found '{name}', but there is no package or module '{top}' installed or in {os.getcwd()}"
    return None


def build_rewards(names: Sequence[str], parameters: Mapping[str, object]) -> list[Reward]:
    """Build the named reward functions with the parameters meant for them, in order.

    names: names in `REWARDS`, or dotted paths of functions in the shape that TRL expects, which are used as they are.
    parameters: values by recipe key, `<reward>_<parameter>`; those of rewards that are not named do nothing.
    Raises RecipeError with a line for each unknown name or key, for a function that cannot be imported, and for two
    functions of one name, whose columns in the logs and records would be one.
    """
    keys = reward_parameters()
    problems = [problem for name in names if (problem := check_reward_name(name))]
    unknown = [key for key in parameters if key not in keys]
    problems += [f"{key}: no reward function has this parameter{did_you_mean(key, keys)}" for key in unknown]
    if problems:
        raise RecipeError(*problems)
    rewards = [_build(name, parameters) if name in REWARDS else _load(name) for name in names]
    _check_distinct(names, rewards)
    return rewards


def _build(name: str, parameters: Mapping[str, object]) -> Reward:
    """Call the factory of one of the toolkit's own rewards."""
    factory = REWARDS[name]
    own = inspect.signature(factory).parameters
    return factory(**{key: parameters[f"{name}_{key}"] for key in own if f"{name}_{key}" in parameters})


def _load(path: str) -> Any:
    """Import a user's reward function; the working directory is searched last, as users expect of their own files."""
    module_name, _, function_name = path.rpartition(".")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise RecipeError(
            f"reward_funcs: found '{path}', but importing '{module_name}' failed with {type(error).__name__}: {reason}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        found = "has nothing of this name" if function is None else f"holds a {type(function).__name__} there"
        names = [name for name, value in vars(module).items() if callable(value)]
        raise RecipeError(
            f"reward_funcs: found '{path}', but '{module_name}' {found}, expected a function"
            f"{did_you_mean(function_name, names)}"
        )
    return function


def _in_working_directory(top: str) -> object | None:
    return PathFinder.find_spec(top, [os.getcwd()])


def _check_distinct(names: Sequence[str], rewards: Sequence[Any]) -> None:
    """Raise RecipeError where two reward functions would share a column."""
    first: dict[str, str] = {}
    for name, reward in zip(names, rewards, strict=True):
        column = getattr(reward, "__name__", type(reward).__name__)
        if column in first:
            raise RecipeError(
                f"reward_funcs: '{first[column]}' and '{name}' are both functions named '{column}', expected each name "
                "once, for it names the column in the logs"
            )
        first[column] = name
