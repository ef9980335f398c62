"""The adjustment as a reward function, scored by the code of TRL's asynchronous trainer itself."""

from __future__ import annotations

import asyncio
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from accelerate import PartialState
from trl.experimental.async_grpo.async_rollout_worker import RolloutGroup, TrainingSequence, _AsyncRolloutLoop

from dra_toolkit.diversity import ESTIMATORS, DiversitySettings, adjust, adjust_rows, group_advantages
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.training.group_reward import AdjustedReward

HASH = EmbedderSettings(name="hash")
TEXTS = ["ones then tens", "ones then tens", "jump", "carry, then carry the rest"]


async def later(completions, level, **_):
    return [None if text[0]["content"] == "jump" else weight for text, weight in zip(completions, level, strict=True)]


def group() -> RolloutGroup:
    sequence = TrainingSequence(rollout_id=0, input_ids=[1, 2], completion_mask=[0, 1], old_log_probs=[0.0, -1.0])
    return RolloutGroup(
        prompts=[[{"role": "user", "content": "?"}]] * 4,
        reward_kwargs={"level": [1.0, 2.0, 3.0, 4.0]},
        completions=[[{"role": "assistant", "content": text}] for text in TEXTS],
        completions_ids=[[1], [1, 2], [1], [1]],
        completions_sequences=[[sequence]] * 4,
        tool_call_counts=[0] * 4,
        tool_failure_counts=[0] * 4,
        model_version=0,
        group_id=0,
        env_rewards=[None] * 4,
        rollout_rewards=[None] * 4,
    )


def scored(reward) -> np.ndarray:
    loop = SimpleNamespace(
        reward_funcs=[reward], reward_func_names=[reward.__name__], _env_reward_types=[], _provides_rollout_reward=False
    )
    PartialState()  # TRL's logger asks for it
    samples = asyncio.run(_AsyncRolloutLoop._score_group(loop, group()))
    return np.array([sample.advantage for sample in samples])


def test_trls_own_scoring_gives_the_advantages_of_the_adjusted_totals():
    reward = pickle.loads(pickle.dumps(AdjustedReward([tiny.letters, later], [1.0, 0.5], embedder=HASH)))
    letters = np.array(tiny.letters(group().completions))
    totals = letters + 0.5 * np.array([1.0, 2.0, 0.0, 4.0])
    vectors = load_embedder(HASH, device="cpu").embed(TEXTS).vectors
    adjusted = adjust(embeddings=vectors, totals=totals).adjusted
    np.testing.assert_allclose(scored(reward), group_advantages(adjusted[None], ESTIMATORS["trl_async"])[0], atol=1e-6)
    assert np.abs(adjusted - totals).max() > 0.01


def test_what_nobody_scored_stays_unscored():
    def picky(completions, **_):
        return [None, float("inf"), 1.0, 0.0]

    found = AdjustedReward([picky], embedder=HASH)(group().completions)
    assert [value is None for value in found] == [True, True, False, False]


@pytest.mark.parametrize(("measure", "told"), [("set_utility", "acts on advantages"), ("ucpo", "reads log_probs")])
def test_a_measure_that_needs_more_is_refused(measure, told):
    with pytest.raises(ValueError, match=told):
        AdjustedReward([tiny.letters], diversity=DiversitySettings(measure=measure))


@pytest.mark.parametrize("as_list", [False, True])
def test_rows_may_be_told_apart_by_tensors(as_list):
    ids = torch.tensor([7, 8, 7])
    found = adjust_rows([*ids] if as_list else ids, totals=torch.ones(3), embeddings=torch.ones((3, 4)))
    assert found.weights.tolist() == [0.5, 1, 0.5]
