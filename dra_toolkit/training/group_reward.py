"""The adjustment as one reward function of whole groups, for trainers that score a group at a time in another process."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dra_toolkit.diversity import ESTIMATORS, OF_POLICY, DiversitySettings, is_dotted, load_labeller
from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder, offline_embedder
from dra_toolkit.groups import Array
from dra_toolkit.rewards import tells_right_from_wrong
from dra_toolkit.rewards.text import policy_text
from dra_toolkit.training.batch import Sample, measure
from dra_toolkit.training.reward_checks import LARGEST, distinct, numbers


class AdjustedReward:
    """Scores the completions of one prompt by other functions and returns their adjusted totals; picklable.

    `AsyncGRPOTrainer(model, AdjustedReward([accuracy]), ...)`: TRL makes its own advantages of them, with the population's
    standard deviation. Similarity is measured on the CPU of the process that scores; nothing is recorded. Raises ValueError
    for a measure that reads what such a function does not get, or acts on advantages.
    """

    __name__ = "adjusted_reward"

    def __init__(
        self,
        rewards: Sequence[Callable[..., Any]],
        weights: Sequence[float] | None = None,
        *,
        diversity: DiversitySettings | None = None,
        embedder: EmbedderSettings | None = None,
    ) -> None:
        self.rewards, self.diversity = list(rewards), diversity or DiversitySettings()
        names = distinct([getattr(reward, "__name__", type(reward).__name__) for reward in rewards])
        self.weights = dict(zip(names, weights or [1.0] * len(names), strict=True))
        lacking = self.diversity.needs & {*OF_POLICY, "history"}
        if lacking or self.diversity.acts_on == "advantage":
            problem = f"reads {', '.join(sorted(lacking))}" if lacking else "acts on advantages"
            raise ValueError(f"measure {self.diversity.measure!r} {problem}, which a reward function cannot give")
        self._settings = embedder or offline_embedder()
        self._embedder: Embedder | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_embedder": None}  # loaded where it scores

    def __call__(self, completions: Sequence[Any], completion_ids: Any = None, **columns: Any) -> list[float | None]:
        """Return the adjusted total of each completion of one group; None for one that nobody scored."""
        texts = list(map(policy_text, completions))
        self._embedder = self._embedder or load_embedder(self._settings, device="cpu")
        counts = map(len, completion_ids if completion_ids is not None else texts)
        labels = self.diversity.labels
        measured = measure(
            samples=[
                Sample(prompt=(), text=t, tokens=n, finish_reason="stop") for t, n in zip(texts, counts, strict=True)
            ],
            rewards=self._scores(completions=completions, completion_ids=completion_ids, **columns),
            reward_weights=self.weights,
            correct_by=tells_right_from_wrong(list(self.weights), dict(zip(self.weights, self.rewards, strict=True))),
            embeddings=self._embedder.embed(texts, completion_ids).vectors,
            group_size=len(texts),
            settings=self.diversity,
            scale_rewards=ESTIMATORS["trl_async"],
            labeller=load_labeller(labels) if is_dotted(labels) else None,
        )
        return [None if np.isnan(total) else float(total) for total in measured[0].adjustment.adjusted]

    def _scores(self, **given: Any) -> Array:
        """Return the rewards, (n, K); NaN where a function abstained or was infinite."""
        columns = []
        for name, reward in zip(self.weights, self.rewards, strict=True):
            found = reward(**given)
            found = asyncio.run(found) if inspect.iscoroutine(found) else found
            values = numbers(found, name, len(given["completions"]))
            columns.append([np.nan if value is None else float(value) for value in values])
        scores = np.array(columns).T
        return np.where(np.abs(scores) > LARGEST, np.nan, scores)
