"""The reward of smollm2.yaml, and what tells the ways apart in which its completions say an answer."""

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


def form(texts: Sequence[str]) -> list[str]:
    """Return the words of each text with every number as `#`: `The answer is #`, `# + # = #`, or `#` alone."""
    return [" ".join(re.sub(r"\d+(\.\d+)?", "#", text).lower().rstrip(" .\n").split()) for text in texts]
