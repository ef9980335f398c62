"""Steps as they are typed: `7`, `3..9`, `3..`, `..9`."""

from __future__ import annotations

import re

from dra_toolkit.errors import RunError

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
