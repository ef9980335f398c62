"""How likely the policy was to say what it said: the mean log-probability of each completion's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from trl.trainer.utils import pad

from dra_toolkit.groups import Array

if TYPE_CHECKING:
    from trl import GRPOTrainer

Tokens = Sequence[Sequence[int]]


def mean_log_probs(sampled: Sequence[Sequence[float | None]]) -> Array:
    """Return the mean over each completion's tokens, (n,), as the sampler gave them; NaN without a number."""
    known = [[value for value in row if value is not None and np.isfinite(value)] for row in sampled]
    return np.array([np.mean(row) if row else np.nan for row in known], dtype=np.float64)


def read_log_probs(trainer: GRPOTrainer, prompt_ids: Tokens, completion_ids: Tokens) -> Array:
    """Return the same, (n,), from one forward pass of the policy, at the sampling temperature.

    For samplers that give none, as transformers' own. Every process must call it.
    """
    device, filler = trainer.accelerator.device, trainer._tokenizer.pad_token_id
    prompts, prompt_mask = _padded(prompt_ids, filler, "left")
    completions, completion_mask = _padded(completion_ids, filler, "right")
    with torch.no_grad():
        found, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([prompts, completions], dim=1).to(device),
            torch.cat([prompt_mask, completion_mask], dim=1).to(device),
            completions.shape[1],
            batch_size=trainer.args.per_device_train_batch_size,
        )
    mask = completion_mask.to(found)
    counts = mask.sum(dim=1)
    means = (found.float() * mask).sum(dim=1) / counts
    return torch.where(counts > 0, means, torch.nan).double().cpu().numpy()


def _padded(rows: Tokens, filler: int, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = [torch.tensor(list(row), dtype=torch.long) for row in rows]
    masks = [torch.ones_like(row) for row in tensors]
    return pad(tensors, padding_value=filler, padding_side=side), pad(masks, padding_value=0, padding_side=side)
