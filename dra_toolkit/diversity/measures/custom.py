"""Measures of the user's own."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.measures.interface import NEEDS, ActsBy, ActsOn, Effect, Measure, Need, Signals
from dra_toolkit.dotted import call_users, load_dotted
from dra_toolkit.errors import MeasureError, did_you_mean
from dra_toolkit.groups import Array

_LOADED: dict[str, Measure] = {}


def load_measure(path: str) -> Measure:
    """Import the measure at a dotted path, which then goes by that name in this process; raises MeasureError.

    A function of `Signals` may say what it needs, acts on and acts by with attributes of the same names as those of
    `Measure`; without them it needs the similarity and is a factor on totals. The arrays that it is
    given cannot be written to.
    """
    found = load_dotted(
        "diversity",
        path,
        accepts=lambda value: callable(value) or isinstance(value, Measure),
        expected="a function or a Measure",
        error=MeasureError,
    )
    if not isinstance(found, Measure):
        found = Measure(
            compute=found,
            needs=_needs(path, getattr(found, "needs", ("similarity",))),
            acts_on=_chosen(path, found, "acts_on", get_args(ActsOn)),
            acts_by=_chosen(path, found, "acts_by", get_args(ActsBy)),
            rule=(getattr(found, "__doc__", None) or "").strip().partition("\n")[0],
            source=path,
        )
    _LOADED[path] = found = replace(found, compute=_checked(path, found.compute))
    return found


def _needs(path: str, needs: Any) -> tuple[Need, ...]:
    if isinstance(needs, str) or not isinstance(needs, Iterable):
        raise MeasureError(f"diversity: {path!r} has needs = {needs!r}, expected a tuple of {', '.join(NEEDS)}")
    unknown = [need for need in needs if need not in NEEDS]
    if unknown:
        raise MeasureError(
            f"diversity: {path!r} needs {unknown[0]!r}, expected some of {', '.join(NEEDS)}"
            f"{did_you_mean(str(unknown[0]), NEEDS)}"
        )
    return tuple(needs)


def _chosen(path: str, function: Any, name: str, choices: tuple[str, ...]) -> Any:
    found = getattr(function, name, choices[0])
    if found not in choices:
        raise MeasureError(f"diversity: {path!r} has {name} = {found!r}, expected one of {', '.join(choices)}")
    return found


def loaded_measure(name: str) -> Measure:
    """Return a measure that was loaded before; raises MeasureError."""
    if name not in _LOADED:
        raise MeasureError(
            f"diversity: {name!r} is code of its user's, which is not run to read a record; "
            f"diversity={name} on the command line, or load_measure({name!r}), runs it"
        )
    return _LOADED[name]


def _checked(path: str, function: Callable[..., Any]) -> Callable[..., Effect]:
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
