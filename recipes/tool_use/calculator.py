"""The tool of the example, and its reward: in a folder of the recipe's own, where `dra train` finds them."""

from __future__ import annotations

import re
from typing import Any


def add(a: int, b: int) -> int:
    """
    Add two numbers.

    Args:
        a: The first number.
        b: The second number.

    Returns:
        Their sum.
    """
    return a + b


def right(completions: list[Any], solution: list[str], **_: Any) -> list[float]:
    """Return 1 where the last message states the solution, 0 elsewhere."""
    stated = [re.search(r"is (\d+)$", completion[-1].get("content") or "") for completion in completions]
    return [float(found is not None and found[1] == gold) for found, gold in zip(stated, solution, strict=True)]
