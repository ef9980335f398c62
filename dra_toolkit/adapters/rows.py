"""Rows as an engine hands them over, and what the adjustment made of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.diversity import AdjustedRows
from dra_toolkit.groups import Array


@dataclass(frozen=True, kw_only=True)
class EngineRows:
    """N rows of whole groups as an engine hands them over, in any order."""

    group_ids: Sequence[Hashable]
    prompts: Sequence[Any]
    """Texts, or lists of messages."""
    completions: Sequence[str]
    """All that the policy wrote, without the output of tools: what is embedded and recorded."""
    rewards: Mapping[str, Array]
    """By function, (N,); NaN where it abstained."""
    tokens: Sequence[int]
    finish_reasons: Sequence[str]
    golds: Sequence[Any] | None = None
    """What the reward functions were told to be right."""
    log_probs: Array | None = None
    """(N,) means over the tokens, where the measure reads them."""
    trajectories: Sequence[Hashable] | None = None
    """Rows of one are one completion, of which the last is looked at; None for padding, which is none. By default each row
    is a completion."""
    turns: Sequence[int] | None = None
    """Which row of its trajectory is later; by default the order of the rows."""

    def members(self) -> dict[Hashable, int]:
        """Return the row of each completion, by its trajectory."""
        last: dict[Hashable, int] = {}
        for row, key in enumerate(range(len(self.group_ids)) if self.trajectories is None else self.trajectories):
            if key is not None and (self.turns is None or self.turns[last.get(key, row)] <= self.turns[row]):
                last[key] = row
        return last

    def taken(self, rows: Sequence[int]) -> EngineRows:
        """Return some of the rows, each a completion."""
        places = list(rows)
        several = ("group_ids", "prompts", "completions", "tokens", "finish_reasons", "golds")
        found = {name: getattr(self, name) for name in several}
        taken: dict[str, Any] = {
            name: None if values is None else [values[row] for row in places] for name, values in found.items()
        }
        return EngineRows(
            **taken,
            rewards={name: np.asarray(values, dtype=np.float64)[places] for name, values in self.rewards.items()},
            log_probs=None if self.log_probs is None else np.asarray(self.log_probs)[places],
        )


@dataclass(frozen=True, kw_only=True)
class EngineBatch:
    """What the adjustment made of rows, until the engine has trained on them."""

    rows: EngineRows
    """M completions."""
    step: int
    found: AdjustedRows
    known: Mapping[str, Any]
    """What the measure was told besides totals, (M, ...)."""
    row_of: Sequence[int]
    """(M,) the row of each completion among the engine's."""
    completion_of: Sequence[int | None]
    """(N,) the completion that each of the engine's rows belongs to; None for padding."""

    def by_row(self, values: Array) -> Array:
        """Return values of the completions, (M,), for each of the engine's rows, (N,); 0 for padding."""
        return np.array([0.0 if place is None else values[place] for place in self.completion_of])
