"""Measures of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dra_toolkit.diversity.dotted import check_dotted, is_dotted, load_dotted
from dra_toolkit.diversity.measures.interface import Effect, Measure, Signals
from dra_toolkit.errors import MeasureError

_LOADED: dict[str, Measure] = {}


def check_measure_name(name: str) -> str | None:
    """Return what is wrong with the dotted path of a measure without importing it, or None."""
    if not is_dotted(name):
        return f"found {name!r}, expected a dotted path package.module.function"
    return check_dotted(name)


def load_measure(path: str) -> Measure:
    """Import the measure at a dotted path, which then goes by that name in this process; raises MeasureError.

    A function of `Signals` may say what it needs and acts on by attributes of the same names as those of `Measure`;
    without them it needs the similarity and acts on totals.
    """
    found = load_dotted("diversity", path)
    if not isinstance(found, Measure):
        if not callable(found):
            raise MeasureError(f"diversity: {path!r} is a {type(found).__name__}, expected a function or a Measure")
        found = Measure(
            compute=_checked(path, found),
            needs=tuple(getattr(found, "needs", ("similarity",))),
            acts_on=getattr(found, "acts_on", "total"),
            rule=(getattr(found, "__doc__", None) or "").strip().partition("\n")[0],
            source=path,
        )
    _LOADED[path] = found
    return found


def loaded_measure(name: str) -> Measure:
    """Return a measure that was loaded before; raises MeasureError."""
    if name not in _LOADED:
        raise MeasureError(
            f"diversity: {name!r} is code of its user's, which is not run to read a record; "
            f"load_measure({name!r}) loads it"
        )
    return _LOADED[name]


def _checked(path: str, function: Callable[[Signals], Any]) -> Callable[[Signals], Effect]:
    """Wrap a user's function so that what it returns is an effect of the right shape and finite."""

    def compute(signals: Signals) -> Effect:
        returned = function(signals)
        effect = returned if isinstance(returned, Effect) else Effect(weights=_numbers(path, returned))
        bonus = np.zeros(1) if effect.bonus is None else effect.bonus
        shape = signals.totals.shape
        if effect.weights.shape != shape or (effect.bonus is not None and bonus.shape != shape):
            raise MeasureError(
                f"diversity: {path!r} returned the shape {effect.weights.shape}, expected one number for each of the "
                f"completions, {shape}"
            )
        scorable = ~np.isnan(signals.totals)
        if not (np.isfinite(effect.weights) | ~scorable).all() or not (np.isfinite(bonus) | ~scorable).all():
            raise MeasureError(f"diversity: {path!r} returned NaN or infinity, expected finite numbers")
        return effect

    return compute


def _numbers(path: str, returned: Any) -> np.ndarray:
    try:
        return np.asarray(returned, dtype=np.float64)
    except (TypeError, ValueError):
        raise MeasureError(
            f"diversity: {path!r} returned a {type(returned).__name__}, expected weights (..., G) or an Effect"
        ) from None
