"""Reward functions by name: the toolkit's own, with their parameters, and how a name is checked."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dra_toolkit.dotted import check_dotted
from dra_toolkit.errors import did_you_mean
from dra_toolkit.rewards.as_released import accuracy_as_released, cosine_as_released, format_as_released
from dra_toolkit.rewards.correctness import Reward
from dra_toolkit.rewards.judged import accuracy, cosine, length
from dra_toolkit.rewards.shape import format, reasoning_steps, repetition_penalty, tag_count

REWARDS: dict[str, Callable[..., Reward]] = {
    factory.__name__: factory
    for factory in (
        accuracy, format, tag_count, reasoning_steps, length, cosine, repetition_penalty,
        accuracy_as_released, cosine_as_released, format_as_released,
    )
}  # fmt: skip
"""Name -> factory; a factory takes only keyword parameters with defaults and returns the reward function."""


@functools.cache
def reward_parameters() -> Mapping[str, inspect.Parameter]:
    """Return the parameters of all factories by recipe key, `<reward>_<parameter>`, with evaluated annotations."""
    return {
        f"{reward}_{name}": parameter
        for reward, factory in REWARDS.items()
        for name, parameter in inspect.signature(factory, eval_str=True).parameters.items()
    }


def check_reward_name(name: str, beside: Path | None = None) -> str | None:
    """Return what is wrong with the name of a reward function, or None; nothing of the user's is run.

    beside: the recipe's folder
    """
    if name in REWARDS or names_model(name):
        return None
    if "." not in name:
        is_module = any(os.path.isfile(Path(folder, f"{name}.py")) for folder in (beside or "", ""))
        nearest = f"; a function of {name}.py is {name}.FUNCTION" if is_module else did_you_mean(name, REWARDS)
        return (
            f"found {name!r}, expected one of {', '.join(REWARDS)}, a dotted path package.module.function, or a reward "
            f"model (a Hub id or a folder){nearest}"
        )
    return check_dotted(name, beside)


def names_model(name: str) -> bool:
    """Return whether a reward's name is that of a model: a Hub id or a folder."""
    return name not in REWARDS and ("/" in name or os.path.isdir(name))
