"""What an engine is asked for: one answer at a time, each with the seed of its own."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass


def sample_seed(seed: int, benchmark: str, problem: str, sample: int) -> int:
    """Return the seed of one sample, 63 bits: the same whatever else is sampled, and in whatever order.

    >>> sample_seed(0, "aime24", "5f3e", 0) == sample_seed(0, "aime24", "5f3e", 1)
    False
    """
    digest = hashlib.sha256(f"{seed}|{benchmark}|{problem}|{sample}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True, kw_only=True)
class Request:
    """One answer to generate."""

    problem: str
    sample: int
    prompt_ids: tuple[int, ...]
    seed: int
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How the answers of a benchmark are generated."""

    temperature: float
    top_p: float
    stop: tuple[str, ...] = ()


Emit = Callable[[Request, str, int, str], None]
"""Called by an engine with each finished answer: request, text, number of tokens, `stop` or `length`."""
