"""The shape of a reward function, and what it says of itself: whether it tells right from wrong, or can be negative."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

CORRECT_ABOVE = 0.0
"""A completion counts as correct if the reward function that tells right from wrong gives it more than this."""
_TELLING = ("accuracy", "correct", "cosine", "exact", "strict")
"""What the name of a reward function that does not say probably contains if it tells right from wrong, the surest first."""


class Reward(Protocol):
    """Scores N completions in one call; its `__name__` is the name of its column in the logs and records.

    TRL passes by keyword `prompts`, `completions` and `completion_ids` (N each), every other column of the data set (N
    each), and `trainer_state`, `log_extra(column, values)` and `log_metric(name, value)`.
    """

    def __call__(self, *, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        """Return N rewards; None where the function abstains."""
        ...


def declares(
    *, tells_correct: bool = False, can_be_negative: bool = False, judges_answers: bool = False
) -> Callable[[Callable[..., Reward]], Callable[..., Reward]]:
    """Return what puts all three on a factory of rewards, and on each reward that it makes, which gets its name too.

    tells_correct: it is above `CORRECT_ABOVE` for right completions alone. can_be_negative: with its default
    parameters. judges_answers: by the judge, against golds that are read before. A user's function may have them too.
    """
    says = {"tells_correct": tells_correct, "can_be_negative": can_be_negative, "judges_answers": judges_answers}

    def declared(factory: Callable[..., Reward]) -> Callable[..., Reward]:
        @functools.wraps(factory)
        def build(**parameters: Any) -> Reward:
            made: Any = factory(**parameters)
            vars(made).update(says)
            made.__name__ = made.__qualname__ = factory.__name__
            return made

        vars(build).update(says)
        return build

    return declared


def tells_right_from_wrong(names: Sequence[str], functions: Mapping[str, Any]) -> str | None:
    """Return which of the reward functions does: one that says so, one that cannot be negative before others.

    Else it is guessed by name among those that say nothing; or None. functions: those there are to be asked, by name
    """
    asked = {name: getattr(functions.get(name), "tells_correct", None) for name in names}
    if telling := [name for name in names if asked[name]]:
        return min(telling, key=lambda name: can_be_negative(functions[name]))
    silent = [name for name in names if asked[name] is None]
    return next((name for word in _TELLING for name in silent if word in name.lower()), None)


def gives_part_credit(function: Any, values: Iterable[float]) -> bool:
    """Return whether a reward function that says nothing of itself gave anything but 0 or less, or one mark of 1 or more."""
    marks = {value for value in values if value > 0}
    return getattr(function, "tells_correct", None) is None and (len(marks) > 1 or min(marks, default=1.0) < 1)


def can_be_negative(function: Any) -> bool:
    """Return whether a reward function, or a factory of one, says that it can be negative."""
    return bool(getattr(function, "can_be_negative", False))
