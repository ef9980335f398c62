"""The reward of this task: the last number that a completion names is the answer. The model boxes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

NUMBER = re.compile(r"-?\d+")


def last_number(completions: Sequence[Any], solution: Sequence[str], **_: Any) -> list[float]:
    """Return 1.0 where the last whole number of a completion is the solution, else 0.0."""
    found = [NUMBER.findall(completion[-1]["content"]) for completion in completions]
    return [float(bool(said) and int(said[-1]) == int(gold)) for said, gold in zip(found, solution, strict=True)]


last_number.tells_correct = True  # type: ignore[attr-defined]
