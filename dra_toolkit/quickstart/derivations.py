"""Completions of the task "ways", written out: right, or with a slip.

A derivation may hold a slip: the result of one step is off by 1 or 10 and the rest follows from it, so that exactly one
equation is false and the answer is off by 1 or 10 as well. Such completions look as plausible as right ones.
"""

import itertools
import random

from dra_toolkit.errors import did_you_mean
from dra_toolkit.quickstart.addition_ways import STYLES, WAYS, Steps
from dra_toolkit.quickstart.task import Problem

SLIPS = (1, -1, 10, -10)
"""By how much the result of a step may be off."""


def render(problem: Problem, style: str, *, slip: bool = False, rng: random.Random | None = None) -> str:
    """Write out a completion: `<think> derivation </think> \\boxed{85}`.

    A slip is drawn from `rng`: where it happens and by how much the answer is off, uniformly over what leaves every
    number of the derivation at 0 or above and the answer off by 1 or 10.

    Raises ValueError for an unknown style, or a slip without `rng`.
    """
    if style not in WAYS:
        raise ValueError(f"style: found {style!r}, expected one of {', '.join(STYLES)}{did_you_mean(style, STYLES)}")
    steps = Steps()
    text, answer = _completion(problem, style, steps)
    if not slip:
        return text
    if rng is None:
        raise ValueError("rng: found None, expected a random.Random from which to draw the slip")
    slipped = []
    for at, off_by in itertools.product(range(len(steps.results)), SLIPS):
        off = Steps(at=at, off_by=off_by)
        text, wrong = _completion(problem, style, off)
        if min(off.results) >= 0 and wrong - answer in SLIPS:
            slipped.append(text)
    return rng.choice(slipped)


def _completion(problem: Problem, style: str, steps: Steps) -> tuple[str, int]:
    text, answer = WAYS[style][1](problem.a, problem.b, steps)
    return f"<think> {text} </think> \\boxed{{{answer}}}", answer
