"""Steps as they are typed: `7`, `3..9`, `3..`, `..9`."""

from __future__ import annotations

import re

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.runs import Run

LAST = (1 << 62) - 1
_RANGE = re.compile(r"(\d*)(\.\.|-|:)?(\d*)")


def read_steps(written: str | None) -> tuple[int, int] | None:
    """Return first and last step; None for all. Raises RunError for what is no range.

    >>> read_steps("3..9"), read_steps("7"), read_steps("5..")[0]
    ((3, 9), (7, 7), 5)
    """
    if written is None:
        return None
    found = _RANGE.fullmatch(written.strip())
    if not found or not (found[1] or found[3]):
        raise RunError(f"--steps: found {written!r}, expected a step or a range such as 10..20, 10.. or ..20")
    first = int(found[1] or 0)
    last = first if not found[2] else int(found[3]) if found[3] else LAST
    if last < first:
        raise RunError(f"--steps: found {written!r}, a range that ends before it begins")
    return first, last


def require_recorded(run: Run, steps: tuple[int, int] | None, mode: Mode) -> None:
    """Raise RunError, saying what is recorded, if no group of a mode is, or none of the steps."""
    recorded = run.steps(mode)
    if not recorded:
        raise RunError(f"{run.name}: no {mode} groups are recorded yet")
    if steps and not any(steps[0] <= step <= steps[1] for step in recorded):
        asked = f"{steps[0]} to {steps[1]}" if steps[1] != LAST else f"{steps[0]} and later"
        raise RunError(f"{run.name}: no {mode} groups of steps {asked}, recorded are {recorded[0]} to {recorded[-1]}")
