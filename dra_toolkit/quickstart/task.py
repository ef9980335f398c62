"""The task "ways": two-digit additions, which may be solved in several ways.

5,000 distinct problems; of each pair of twins, a + b and b + a, both are trained on or both are held out, so that no
held-out answer has been seen in training. In the hidden-method variant the checker accepts a style on a problem only
with probability 0.5, which no prompt shows: no single way solves everything, so keeping several is worth pass@k.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from typing import NamedTuple

TASK_VERSION = "1"
"""Raised whenever the same seed would give other problems or other texts."""

SMALLEST, LARGEST = 11, 89
PROBLEMS, HELD_OUT = 5000, 750

_PROMPT = re.compile(r"What is ([0-9]{2}) \+ ([0-9]{2})\?")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One addition of two numbers from 11 to 89; equal problems have equal numbers in equal order."""

    a: int
    b: int

    @property
    def prompt(self) -> str:
        """The question: `What is 47 + 38?`."""
        return f"What is {self.a} + {self.b}?"

    @property
    def solution(self) -> str:
        """The answer in decimal digits, as in the column `solution`."""
        return str(self.a + self.b)

    @classmethod
    def from_prompt(cls, prompt: str) -> Problem:
        """Read a problem back from a text that holds its prompt once; raises ValueError for any other."""
        found = _PROMPT.findall(prompt)
        if len(found) != 1:
            raise ValueError(f"prompt: found {prompt[:80]!r}, expected one question such as 'What is 47 + 38?'")
        return cls(int(found[0][0]), int(found[0][1]))


class Problems(NamedTuple):
    """The problems of one seed, in random order: 4,250 to train on, 750 held out, none a twin of a training problem."""

    train: tuple[Problem, ...]
    held_out: tuple[Problem, ...]


def problems(seed: int = 0) -> Problems:
    """Draw 5,000 of the 6,241 possible problems and hold out 15% of them, equally for equal seeds."""
    rng = random.Random(f"ways:{TASK_VERSION}:problems:{seed}")
    numbers = range(SMALLEST, LARGEST + 1)
    chosen = rng.sample([Problem(a, b) for a in numbers for b in numbers], PROBLEMS)
    twins: dict[frozenset[int], list[Problem]] = {}
    for problem in chosen:
        twins.setdefault(frozenset((problem.a, problem.b)), []).append(problem)
    held_out: set[Problem] = set()
    for pair in twins.values():
        if len(held_out) + len(pair) <= HELD_OUT:
            held_out.update(pair)
    return Problems(
        train=tuple(problem for problem in chosen if problem not in held_out),
        held_out=tuple(problem for problem in chosen if problem in held_out),
    )


def accepts(problem: Problem, style: str) -> bool:
    """Whether the hidden-method variant accepts this style on this problem: true for half of all pairs, by a hash."""
    return bool(hashlib.blake2b(f"ways:{problem.a}+{problem.b}:{style}".encode(), digest_size=1).digest()[0] & 1)
