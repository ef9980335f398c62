"""How transformers draws tokens: each answer with its own seed, and its end seen at once."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dra_toolkit.evaluation.requests import Generation

BLOCK = 256
OnRow = Callable[[int, list[int], str], None]


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
    """A logits processor that leaves nothing but the drawn token; transformers then takes the largest.

    Each sample is drawn with a stream of uniform numbers from its own seed, whatever its neighbours in the batch.
    """

    def __init__(self, seeds: Sequence[int], how: Generation, prompt_length: int, device: Any) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._how, self._start, self._device = how, prompt_length, device
        self._blocks: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, minus infinity everywhere but at the drawn tokens."""
        step = input_ids.shape[1] - self._start
        while len(self._blocks) * BLOCK <= step:
            drawn = [torch.rand(BLOCK, generator=g, dtype=torch.float64) for g in self._generators]
            self._blocks.append(torch.stack(drawn).to(self._device, torch.float32))
        uniforms = self._blocks[step // BLOCK][:, step % BLOCK]
        tokens = draw(scores, uniforms, temperature=self._how.temperature, top_p=self._how.top_p)
        return torch.full_like(scores, -torch.inf).scatter_(-1, tokens[:, None], 0.0)


class Finished:
    """A stopping criterion for each row: an end token, or its own number of tokens; hands on what has ended."""

    def __init__(self, limits: Sequence[int], prompt_length: int, ends: Sequence[int], on_row: OnRow) -> None:
        self._limits, self._start, self._ends, self._on_row = limits, prompt_length, set(ends), on_row
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
