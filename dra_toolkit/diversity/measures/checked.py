"""What a user's measure is given and returns: arrays that cannot be written to, and finite numbers of the right shape."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import Effect
from dra_toolkit.diversity.measures.signals import Signals
from dra_toolkit.dotted import call_users
from dra_toolkit.errors import MeasureError
from dra_toolkit.groups import Array


def checked(path: str, function: Callable[..., Any]) -> Callable[..., Effect]:
    """Wrap a user's function so that what it returns is an effect of finite numbers of the right shape."""

    def compute(signals: Signals, **options: float) -> Effect:
        returned = call_users("diversity", path, function, _read_only(signals), error=MeasureError, **options)
        effect = returned if isinstance(returned, Effect) else Effect(weights=returned)
        scorable = ~np.isnan(signals.totals)
        return Effect(
            weights=np.where(scorable, _numbers(path, "weights", effect.weights, scorable), 1.0),
            bonus=None
            if effect.bonus is None
            else np.where(scorable, _numbers(path, "bonus", effect.bonus, scorable), 0.0),
            redundancy=None
            if effect.redundancy is None
            else _numbers(path, "redundancy", effect.redundancy, np.zeros_like(scorable)),
        )

    return compute


def _read_only(signals: Signals) -> Signals:
    """Return the signals as arrays that cannot be written to: some are the trainer's own, or what is recorded."""
    views: dict[str, Any] = {}
    for each in fields(Signals):
        value = getattr(signals, each.name)
        if value is not None:
            value = np.asarray(value).view()
            value.flags.writeable = False
        views[each.name] = value
    return Signals(**views)


def _numbers(path: str, what: str, returned: Any, needed: NDArray[np.bool_]) -> Array:
    """Return numbers, (..., G), finite where they are needed; raises MeasureError for anything else."""
    shape = needed.shape
    try:
        numbers = np.asarray(returned)
        if np.iscomplexobj(numbers) or numbers.dtype == object:
            raise TypeError
        numbers = numbers.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise MeasureError(
            f"diversity: {path!r} returned a {type(returned).__name__} for {what}, expected real numbers {shape} or "
            "an Effect"
        ) from None
    if numbers.shape != shape:
        raise MeasureError(
            f"diversity: {path!r} returned {what} of the shape {numbers.shape}, expected one number for each of the "
            f"completions, {shape}"
        )
    if not (np.isfinite(numbers) | ~needed).all():
        raise MeasureError(f"diversity: {path!r} returned NaN or infinity for {what}, expected finite numbers")
    return numbers
