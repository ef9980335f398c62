"""A verifier for the whole session, and how TRL calls a reward function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from dra_toolkit.rewards import build_rewards
from dra_toolkit.rewards.verifier import MathVerifier


@pytest.fixture(scope="session")
def verifier() -> Iterator[MathVerifier]:
    with MathVerifier(max_workers=2) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _shared_workers(verifier: MathVerifier) -> Iterator[None]:
    """Let the reward functions share the session's workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dra_toolkit.rewards.verifier.shared_verifier", lambda: verifier)
        yield


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
