"""Reward functions for TRL's GRPOTrainer, by name, with their sources.

A factory with the reward's name returns the function that TRL calls (`correctness.Reward`). Those that need to know
whether an answer is right ask `dra_toolkit.judge` (`judged`). Those named `*_as_released` keep the defects of
the released Open-RS and DRA-GRPO code on purpose.
"""

from dra_toolkit.rewards.building import build_rewards
from dra_toolkit.rewards.correctness import CORRECT_ABOVE, Reward, can_be_negative, tells_right_from_wrong
from dra_toolkit.rewards.registry import REWARDS, check_reward_name, names_model, reward_parameters

__all__ = [
    "CORRECT_ABOVE",
    "REWARDS",
    "Reward",
    "build_rewards",
    "can_be_negative",
    "check_reward_name",
    "names_model",
    "reward_parameters",
    "tells_right_from_wrong",
]
