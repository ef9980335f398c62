"""Measures of the user's own."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args

from dra_toolkit.diversity.measures.checked import checked
from dra_toolkit.diversity.measures.interface import ActsBy, ActsOn, Measure
from dra_toolkit.diversity.measures.signals import NEEDS, Need
from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import MeasureError, did_you_mean

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
    _LOADED[path] = found = replace(found, compute=checked(path, found.compute))
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
