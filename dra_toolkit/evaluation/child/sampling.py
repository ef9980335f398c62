"""Draw tokens so that each sample depends on its own seed alone, not on its neighbours in the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

BLOCK = 256


class Uniforms:
    """One stream of uniform numbers for each row of a batch, from the row's seed."""

    def __init__(self, seeds: Sequence[int], device: Any) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._device = device
        self._blocks: list[torch.Tensor] = []

    def at(self, step: int) -> torch.Tensor:
        """Return the numbers of a step, B of them, in [0, 1)."""
        while len(self._blocks) * BLOCK <= step:
            drawn = [torch.rand(BLOCK, generator=g, dtype=torch.float64) for g in self._generators]
            self._blocks.append(torch.stack(drawn).to(self._device, torch.float32))
        return self._blocks[step // BLOCK][:, step % BLOCK]


def draw(scores: torch.Tensor, uniforms: torch.Tensor, *, temperature: float, top_p: float) -> torch.Tensor:
    """Return a token for each row by inverting its distribution.

    scores: B x V logits; uniforms: B numbers in [0, 1). The likeliest tokens whose probability sums to `top_p` stay, at
    least one; temperature 0 takes the likeliest.
    """
    if temperature == 0:
        return scores.argmax(-1)
    probabilities = torch.softmax(scores.float() / temperature, -1)
    ordered, tokens = torch.sort(probabilities, dim=-1, descending=True, stable=True)
    cumulated = ordered.cumsum(-1)
    kept = (cumulated - ordered < top_p).sum(-1, keepdim=True)
    mass = cumulated.gather(-1, kept - 1)
    place = torch.searchsorted(cumulated, uniforms[:, None] * mass, right=True).minimum(kept - 1)
    return tokens.gather(-1, place)[:, 0]


class Sampler:
    """A logits processor that leaves nothing but the drawn token; transformers then takes the largest."""

    def __init__(
        self, seeds: Sequence[int], *, prompt_length: int, temperature: float, top_p: float, device: Any
    ) -> None:
        self._uniforms = Uniforms(seeds, device)
        self._start, self._temperature, self._top_p = prompt_length, temperature, top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, minus infinity everywhere but at the drawn tokens."""
        uniforms = self._uniforms.at(input_ids.shape[1] - self._start)
        tokens = draw(scores, uniforms, temperature=self._temperature, top_p=self._top_p)
        return torch.full_like(scores, -torch.inf).scatter_(-1, tokens[:, None], 0.0)


class Finished:
    """A stopping criterion for each row: an end token, or its own number of tokens; hands on what has ended."""

    def __init__(
        self,
        limits: Sequence[int],
        *,
        prompt_length: int,
        ends: Sequence[int],
        on_row: Callable[[int, list[int], str], None],
    ) -> None:
        self._limits = limits
        self._start, self._ends, self._on_row = prompt_length, set(ends), on_row
        self._open = set(range(len(limits)))

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Return which rows have ended, B booleans."""
        last, length = input_ids[:, -1].tolist(), input_ids.shape[1] - self._start
        for row in sorted(self._open):
            ended = last[row] in self._ends
            if ended or length >= self._limits[row]:
                self._open.discard(row)
                tokens = input_ids[row, self._start :].tolist()
                self._on_row(row, tokens, "stop" if ended else "length")
        done = [row not in self._open for row in range(len(last))]
        return torch.tensor(done, device=input_ids.device, dtype=torch.bool)
