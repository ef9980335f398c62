"""What a diversity measure is, and what it answers."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dra_toolkit.diversity.measures.signals import Need
from dra_toolkit.groups import Array

ActsOn = Literal["total", "advantage"]
ActsBy = Literal["factor", "bonus", "replacement"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Effect:
    """What a measure does: value -> weights * value + bonus, where the value is a total reward or an advantage."""

    weights: Array
    """(..., G) factor; 1 changes nothing."""
    bonus: Array | None = None
    """(..., G) what is added after the factor; None is nothing."""
    redundancy: Array | None = None
    """(..., G) how much of a completion the rest already says; None where the measure has no such notion."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One number that a measure takes."""

    name: str
    default: float
    low: float
    """Smallest value accepted."""
    high: float
    """Largest value accepted."""
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A diversity measure: what it computes, what it must be given, and where its effect goes."""

    compute: Callable[..., Effect]
    """From `Signals`, and the options by keyword, to an `Effect`."""
    needs: tuple[Need, ...] = ()
    """What it reads besides totals and correctness."""
    rule: str
    """The formula in one line, for the documentation."""
    source: str
    """Where the formula comes from."""
    acts_on: ActsOn = "total"
    """Whether the effect is on total rewards, before the advantage, or on the plain advantages."""
    acts_by: ActsBy = "factor"
    """Whether it multiplies what it acts on, adds to it, or takes its place (`replacement`): settings of the factor then
    do nothing."""
    options: tuple[Option, ...] = field(default=())
    reads_right: bool = False
    """Whether all that it reads of the rewards is which completions are right."""
    in_slices: bool = False
    """Whether it means anything in a rank slice that mixes the completions of several prompts."""


objective = functools.partial(Measure, acts_on="advantage", acts_by="replacement")
"""A measure that takes the place of the advantage."""
