"""Reward functions for TRL's GRPOTrainer, by name; one small module each, with its source.

A module's `build(**parameters)` returns the function that TRL calls (`contract.Reward`). Those that need to know
whether an answer is right ask `scoring`, which asks `dra_toolkit.judge`. The modules named `*_as_released` keep the
defects of the released Open-RS and DRA-GRPO code on purpose.
"""

from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import CORRECT_ABOVE, can_be_negative, tells_right_from_wrong
from dra_toolkit.rewards.registry import REWARDS, build_rewards, check_reward_name, names_model, reward_parameters

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
