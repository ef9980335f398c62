"""What engines are asked, whichever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


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
"""Called with each finished answer: request, text, number of tokens, `stop` or `length`."""


class EngineProtocol(Protocol):
    """What generates."""

    tokenizer: Any
    max_length: int
    """Tokens of prompt and answer together."""
    name: str

    def generate(self, requests: Sequence[Request], how: Generation, emit: Emit) -> None:
        """Generate every request, in any order, and hand each on as soon as it is finished."""
