"""From the names in a recipe to reward functions: the toolkit's own, with their parameters, and anybody's."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.rewards.correctness import Reward
from dra_toolkit.rewards.registry import REWARDS, check_reward_name, names_model, reward_parameters


def build_rewards(names: Sequence[str], parameters: Mapping[str, object]) -> list[Reward | str]:
    """Build the named reward functions with the parameters meant for them, in order.

    names: names in `REWARDS`, or dotted paths of functions in the shape that TRL expects, which are used as they are; of
        models, too large to be loaded here, the name stands in their place.
    parameters: values by recipe key, `<reward>_<parameter>`; those of rewards that are not named do nothing.
    Raises RecipeError with a line for each unknown name or key, for a function that cannot be imported, and for two
    functions of one name, whose columns in the logs and records would be one.
    """
    keys = reward_parameters()
    functions = [name for name in names if not names_model(name)]
    problems = [f"reward_funcs: {told}" for name in functions if "." not in name and (told := check_reward_name(name))]
    said = "no reward function has this parameter"
    problems += [f"{key}: {said}{did_you_mean(key, keys)}" for key in parameters if key not in keys]
    if problems:
        raise RecipeError(*problems)
    built = [_build(name, parameters) if name in REWARDS else load_dotted("reward_funcs", name) for name in functions]
    _check_distinct(functions, built)
    rewards = iter(built)
    return [name if names_model(name) else next(rewards) for name in names]


def _build(name: str, parameters: Mapping[str, object]) -> Reward:
    """Call the factory of one of the toolkit's own rewards."""
    own = inspect.signature(REWARDS[name]).parameters
    return REWARDS[name](**{key: parameters[f"{name}_{key}"] for key in own if f"{name}_{key}" in parameters})


def _check_distinct(names: Sequence[str], rewards: Sequence[Any]) -> None:
    """Raise RecipeError where two reward functions would share a column."""
    columns = [getattr(reward, "__name__", type(reward).__name__) for reward in rewards]
    for i, column in enumerate(columns):
        if column in columns[:i]:
            raise RecipeError(
                f"reward_funcs: '{names[columns.index(column)]}' and '{names[i]}' are both functions named '{column}', "
                "expected each name once, for it names the column in the logs"
            )
