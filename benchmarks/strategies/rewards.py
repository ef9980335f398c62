"""A reward below zero for what is wrong: the case in which dividing by redundancy rewards what is redundant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.quickstart.reward import strict


def signed(completions: Sequence[Any], solution: Sequence[Any], **kwargs: Any) -> list[float]:
    """Score 1 for a well-formed, right completion, else -1."""
    return [2.0 * score - 1.0 for score in strict(completions, solution)]
