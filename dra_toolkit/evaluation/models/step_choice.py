"""Which steps are meant by `50,100,150..400:50`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dra_toolkit.errors import EvaluationError, did_you_mean

_PART = re.compile(r"(\d+)(?:\.\.(\d+)(?::(\d+))?)?")


def chosen_steps(spec: str, known: Sequence[int]) -> list[int]:
    """Return the steps that `spec` says, smallest first.

    spec: numbers and ranges, `50,150..400:50`; a range without a stride takes the known steps inside it. Raises
    EvaluationError for a number that is not among the known steps.
    """
    steps: set[int] = set()
    problems = []
    have = ", ".join(map(str, known)) or "none"
    for part in (p.strip() for p in spec.split(",")):
        match = _PART.fullmatch(part)
        if not match:
            problems.append(f"--steps: found {part!r}, expected a step such as 50, or a range such as 150..400:50")
            continue
        first, last, stride = (int(group) if group else None for group in match.groups())
        if first is None or (last is not None and last < first) or stride == 0:
            problems.append(f"--steps: the range {part!r} holds no step")
        elif last is None:
            steps.add(first)
            if first not in known:
                problems.append(
                    f"--steps: there is no checkpoint of step {first}{_near(first, known)}; there are {have}"
                )
        else:
            inside = [k for k in known if first <= k <= last and (stride is None or (k - first) % stride == 0)]
            if not inside:
                problems.append(f"--steps: no checkpoint lies in {part}; there are {have}")
            steps.update(inside)
    if problems:
        raise EvaluationError(*problems)
    return sorted(steps)


def _near(step: int, known: Sequence[int]) -> str:
    return did_you_mean(str(step), map(str, known))


def coarse(steps: Sequence[int], every: int) -> list[int]:
    """Return the first step, every `every`-th one after it, and the last."""
    return sorted({*steps[::every], *steps[-1:]})


def around(steps: Sequence[int], best: int, every: int) -> list[int]:
    """Return the steps less than `every` places from the best, the best left out."""
    at = list(steps).index(best)
    return [step for i, step in enumerate(steps) if 0 < abs(i - at) < every]
