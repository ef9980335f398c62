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
    """Return the first sentence of each text with every number as `#`: `the answer is #`, `# + # = #`, or `#` alone.

    What comes after the first sentence, on its line or below, is no other way of answering.
    """
    first = [re.split(r"\n|[.!?:](?:\s|$)", text.strip(), maxsplit=1)[0] for text in texts]
    return [" ".join(re.sub(r"\d+(\.\d+)?", "#", text).lower().split()) for text in first]
