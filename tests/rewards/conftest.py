"""How TRL calls a reward function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dra_toolkit.rewards import build_rewards


@pytest.fixture
def score() -> Callable[..., list[float | None]]:
    """Call a reward as TRL does: `score(name, texts, tokens=..., solution=..., parameters={...}, metrics={})`."""

    def call(
        name: str,
        completions: Sequence[Any],
        *,
        tokens: Sequence[int] | None = None,
        parameters: dict[str, object] | None = None,
        metrics: dict[str, float] | None = None,
        prompts: Sequence[Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        (reward,) = build_rewards([name], parameters or {})
        return reward(
            prompts=prompts or ["question"] * len(completions),
            completions=list(completions),
            completion_ids=[[0] * count for count in tokens or [1] * len(completions)],
            trainer_state=None,
            log_extra=lambda column, values: None,
            log_metric=(metrics if metrics is not None else {}).__setitem__,
            **columns,
        )

    return call
