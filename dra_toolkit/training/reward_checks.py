"""What reward functions return, looked at before the trainer reads it: a mistake is one line with the function's name."""

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import torch

from dra_toolkit.errors import RewardError

LARGEST = 1e30
"""Rewards beyond it count as infinite: their weighted sums leave the numbers that the trainer has."""


def listed(functions: Any) -> list[Any]:
    """Return one reward function, or several, as a list."""
    return functions if isinstance(functions, list) else [functions]


def refuse_classes(functions: Any) -> None:
    """Raise RewardError for a class in place of a function: it would be called as one."""
    for function in listed(functions):
        if inspect.isclass(function):
            name = function.__name__
            raise RewardError(f"reward_funcs: found the class {name}, expected a function or an instance: {name}(...)")


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names of reward functions, the second of one name as NAME_2 and so on."""
    found: list[str] = []
    for name in names:
        numbered = chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        found.append(next(own for own in numbered if own not in found))
    return found


def checked(function: Any, name: str) -> Any:
    """Return a reward function that raises RewardError where it does not return a number or None for each completion.

    Models, which TRL calls itself, are left as they are, and so is a call that names no completions.
    """
    if isinstance(function, torch.nn.Module):
        return function

    def looked_at(found: Any, given: Mapping[str, Any]) -> Any:
        return numbers(found, name, len(given["completions"])) if "completions" in given else found

    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        async def scored(*args: Any, **given: Any) -> Any:
            return looked_at(await function(*args, **given), given)
    else:

        def scored(*args: Any, **given: Any) -> Any:  # type: ignore[misc]
            return looked_at(function(*args, **given), given)

    return functools.update_wrapper(scored, function)


def drop_infinities(rewards: torch.Tensor, names: Sequence[str], tell: Callable[[str, str], None]) -> torch.Tensor:
    """Return rewards (N, K) with what is infinite taken for no reward (NaN); `tell` gets the name and a line for each.

    One infinite reward would leave its whole group without an advantage.
    """
    infinite = rewards.abs() > LARGEST
    for column in infinite.any(dim=0).nonzero().flatten().tolist():
        count, found = int(infinite[:, column].sum()), rewards[infinite[:, column], column][0].item()
        tell(
            names[column],
            f"reward_funcs: {names[column]} gave {found:g} for {count} of {len(rewards)} completions, expected finite "
            "numbers; taken for no reward",
        )
    return rewards.masked_fill(infinite, math.nan)


def numbers(found: Any, name: str, count: int) -> list[Any]:
    """Return what a reward function returned as a list of `count` numbers and None; raises RewardError for anything else."""
    is_list = hasattr(found, "__iter__") and getattr(found, "ndim", 1) > 0
    if not is_list or isinstance(found, str | bytes | dict):
        problem = _shown(found)
    else:
        values = list(found)
        wrong = [value for value in values if not (value is None or isinstance(value, Real) or _is_scalar(value))]
        if len(values) == count and not wrong:
            return values
        problem = f"a list with {_shown(wrong[0])}" if len(values) == count else f"{len(values)} rewards"
    expected = f"expected a list of {count} numbers or None, one for each completion"
    raise RewardError(f"reward_funcs: {name} returned {problem}, {expected}")


def _is_scalar(value: Any) -> bool:
    """Return whether a value is a tensor of one number, of whatever library."""
    return isinstance(value, np.number | np.bool_ | np.ndarray | torch.Tensor) and math.prod(value.shape) == 1


def _shown(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__} ({str(value)[:40]})"
