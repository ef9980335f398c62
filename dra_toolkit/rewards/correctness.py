"""What a reward function says of itself: whether it tells right from wrong, and whether it can be negative."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dra_toolkit.rewards.contract import Reward

CORRECT_ABOVE = 0.0
"""A completion counts as correct if the reward function that tells right from wrong gives it more than this."""
_TELLING = ("accuracy", "correct", "cosine", "exact", "strict")
"""What the name of a reward function that does not say probably contains if it tells right from wrong, the surest first."""


def declares(
    *, tells_correct: bool = False, can_be_negative: bool = False, judges_answers: bool = False
) -> Callable[[Callable[..., Reward]], Callable[..., Reward]]:
    """Return what puts both on a factory of rewards, and on each reward that it makes.

    tells_correct: it is above `CORRECT_ABOVE` for right completions alone. can_be_negative: with its default
    parameters. judges_answers: by the judge, against the gold answers, which are then read before training.
    A function of the user's may have attributes of the same names.
    """

    def declared(factory: Callable[..., Reward]) -> Callable[..., Reward]:
        @functools.wraps(factory)
        def build(**parameters: Any) -> Reward:
            return _marked(factory(**parameters))

        return _marked(build)

    def _marked(function: Any) -> Any:
        function.tells_correct, function.can_be_negative = tells_correct, can_be_negative
        function.judges_answers = judges_answers
        return function

    return declared


def tells_right_from_wrong(names: Sequence[str], functions: Mapping[str, Any]) -> str | None:
    """Return which of the reward functions does: one that says so, one that cannot be negative before others.

    Where none says so, it is guessed by the name among those that say nothing; or None: a reward is not a judgement.
    functions: those that are there to be asked, by name
    """
    asked = {name: getattr(functions.get(name), "tells_correct", None) for name in names}
    telling = [name for name in names if asked[name]]
    if telling:
        return min(telling, key=lambda name: can_be_negative(functions[name]))
    silent = [name for name in names if asked[name] is None]
    for word in _TELLING:
        for name in silent:
            if word in name.lower():
                return name
    return None


def can_be_negative(function: Any) -> bool:
    """Return whether a reward function, or a factory of one, says that it can be negative."""
    return bool(getattr(function, "can_be_negative", False))
