"""Five ways to add two numbers, each in its own words and with equations that a program can check.

A derivation may hold a slip: the result of one step is off by 1 or 10 and the rest follows from it, so that exactly one
equation is false and the answer is off by 1 or 10 as well. Such completions look as plausible as right ones.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from dra_toolkit.errors import did_you_mean
from dra_toolkit.quickstart.task import Problem

SLIPS = (1, -1, 10, -10)
"""By how much the result of a step may be off."""


@dataclass(kw_only=True, slots=True)
class _Steps:
    """Passes the result of each step through, except that one may be off."""

    at: int = -1
    off_by: int = 0
    results: list[int] = field(default_factory=list)

    def __call__(self, result: int) -> int:
        result += self.off_by if len(self.results) == self.at else 0
        self.results.append(result)
        return result


def _column(a: int, b: int, step: _Steps) -> tuple[str, int]:
    ones = step(a % 10 + b % 10)
    carry, digit = divmod(ones, 10)
    tens = step(a // 10 + b // 10 + carry)
    return (
        f"Ones column: {a % 10} + {b % 10} = {ones}, write {digit}, carry {carry}. "
        f"Tens column: {a // 10} + {b // 10} + {carry} = {tens}, write {tens}."
    ), 10 * tens + digit


def _split(a: int, b: int, step: _Steps) -> tuple[str, int]:
    tens = step(a // 10 * 10 + b // 10 * 10)
    units = step(a % 10 + b % 10)
    total = step(tens + units)
    return (
        f"Split both numbers: tens make {a // 10 * 10} + {b // 10 * 10} = {tens} "
        f"and units make {a % 10} + {b % 10} = {units}. Together {tens} + {units} = {total}."
    ), total


def _jump(a: int, b: int, step: _Steps) -> tuple[str, int]:
    landing = step(a + b // 10 * 10)
    total = step(landing + b % 10)
    return (
        f"Jump along the line from {a}: big leap {a} + {b // 10 * 10} = {landing}, "
        f"little hops {landing} + {b % 10} = {total}."
    ), total


def _round(a: int, b: int, step: _Steps) -> tuple[str, int]:
    extra = -b % 10
    rounded = step(b + extra)
    over = step(a + rounded)
    total = step(over - extra)
    return (
        f"Round up: {b} + {extra} = {rounded}. Easy sum {a} + {rounded} = {over}. "
        f"Give back the extra {extra}: {over} - {extra} = {total}."
    ), total


def _move(a: int, b: int, step: _Steps) -> tuple[str, int]:
    moved = -b % 10
    less = step(a - moved)
    more = step(b + moved)
    total = step(less + more)
    return (
        f"Move over {moved}: one side falls to {a} - {moved} = {less}, "
        f"other side grows to {b} + {moved} = {more}, same total {less} + {more} = {total}."
    ), total


_WAYS: dict[str, tuple[str, Callable[[int, int, _Steps], tuple[str, int]]]] = {
    "column": ("Ones column", _column),
    "split": ("Split both", _split),
    "jump": ("Jump along", _jump),
    "round": ("Round up", _round),
    "move": ("Move over", _move),
}
STYLES = tuple(_WAYS)
"""Names of the five styles."""
KEY_PHRASES = {name: phrase for name, (phrase, _) in _WAYS.items()}
"""For each style the words, in this spelling, that every derivation in it holds and no derivation in another does."""


def render(problem: Problem, style: str, *, slip: bool = False, rng: random.Random | None = None) -> str:
    """Write out a completion: `<think> derivation </think> \\boxed{85}`.

    A slip is drawn from `rng`: where it happens and by how much the answer is off, uniformly over what leaves every
    number of the derivation at 0 or above and the answer off by 1 or 10.

    Raises ValueError for an unknown style, or a slip without `rng`.
    """
    if style not in _WAYS:
        raise ValueError(f"style: found {style!r}, expected one of {', '.join(STYLES)}{did_you_mean(style, STYLES)}")
    steps = _Steps()
    text, answer = _completion(problem, style, steps)
    if not slip:
        return text
    if rng is None:
        raise ValueError("rng: found None, expected a random.Random from which to draw the slip")
    slipped = []
    for at, off_by in itertools.product(range(len(steps.results)), SLIPS):
        off = _Steps(at=at, off_by=off_by)
        text, wrong = _completion(problem, style, off)
        if min(off.results) >= 0 and wrong - answer in SLIPS:
            slipped.append(text)
    return rng.choice(slipped)


def _completion(problem: Problem, style: str, steps: _Steps) -> tuple[str, int]:
    text, answer = _WAYS[style][1](problem.a, problem.b, steps)
    return f"<think> {text} </think> \\boxed{{{answer}}}", answer
