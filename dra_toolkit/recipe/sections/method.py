"""Keys of the objective, those of the adjustment apart, which `DiversitySettings` declares."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.diversity import PRESETS, SETTING_KEYS
from dra_toolkit.recipe.sections.declaring import Section, ours, trls

PRESET, SCALING = "diversity_preset", "scale_rewards"
DIVERSITY_PRESETS = {
    name: {SETTING_KEYS[field].key: value for field, value in values.items()} for name, values in PRESETS.items()
}
"""Name -> what holds for the keys that the recipe leaves open."""


@dataclass(frozen=True, kw_only=True)
class Objective(Section):
    """The rewards, what the policy may do for them, and what is made of them."""

    reward_funcs: list[str] = ours(
        [],
        "Rewards by name, dotted paths to your own functions, or reward models: Hub ids or folders.",
        in_summary=True,
    )
    reward_weights: list[float] | None = trls()
    reward_processing_classes: list[str] = ours(
        [], "Tokenizers of the reward models among reward_funcs, in their order; left out, each model's own."
    )
    tools: list[str] = ours(
        [],
        "Functions that the policy may call, by dotted path; TRL reads their docstrings and the types of their arguments.",
    )
    environment_factory: str | dict[str, str] | None = ours(
        None,
        "Dotted path of a class with reset, methods as tools and, if it owns the reward, get_reward; or such paths by the "
        "name in the data's column environment.",
    )
    rollout_func: str | None = ours(None, "Dotted path of a function that samples in TRL's place.")
    diversity_preset: str = ours(
        "paper",
        "Settings of the adjustment in one word, for those left out: paper, or robust (mean_one weights, negative totals "
        "multiplied, groups without spread skipped); docs/experiment.md says what it does.",
        choices=tuple(DIVERSITY_PRESETS),
    )
    loss_type: str = trls(on_card=True, in_summary=True)
    scale_rewards: str = trls(on_card=True, in_summary=True)
    beta: float = trls(on_card=True)
    num_generations: int = trls(needed=True, on_card=True, in_summary=True)
    dynamic_sampling_rounds: int = ours(0, "Rounds, at most, that replace groups of equal rewards by others.", low=0)
    num_iterations: int = trls()
    temperature: float = trls(on_card=True)
    max_completion_length: int | None = trls(on_card=True)

    def own_code(self) -> list[tuple[str, str]]:
        """Return the dotted paths of what the policy may do, each after its key."""
        environments = self.environment_factory
        factories = list(environments.values()) if isinstance(environments, dict) else [environments]
        given = {"tools": self.tools, "environment_factory": factories, "rollout_func": [self.rollout_func]}
        return [(key, str(path)) for key, paths in given.items() for path in paths if path]
