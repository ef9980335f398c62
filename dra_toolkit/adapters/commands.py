"""How each engine is started with the adjustment: its own command, with what an adapter needs and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe


def _verl(recipe: Recipe, file: Path) -> list[str]:
    std = recipe.objective.scale_rewards == "group"
    return [
        "python -m verl.trainer.main_ppo",
        f"trainer.v1.trainer_mode=dra_sync +dra.settings={shlex.quote(str(file))}",
        f"algorithm.adv_estimator=grpo algorithm.norm_adv_by_std_in_grpo={std} algorithm.use_kl_in_reward=False",
        f"actor_rollout_ref.rollout.n={recipe.objective.num_generations}",
    ]


def _slime(recipe: Recipe, file: Path) -> list[str]:
    std = "" if recipe.objective.scale_rewards == "group" else " --disable-grpo-std-normalization"
    return [
        f"DRA_SETTINGS={shlex.quote(str(file))} python train.py",
        "--custom-reward-post-process-path dra_toolkit.adapters.slime.post_process",
        f"--advantage-estimator grpo --n-samples-per-prompt {recipe.objective.num_generations}{std}",
    ]


def _ms_swift(recipe: Recipe, file: Path) -> list[str]:
    plugin = files("dra_toolkit.adapters").joinpath("swift_plugin", "register.py")
    return [
        f"DRA_SETTINGS={shlex.quote(str(file))} swift rlhf --rlhf_type grpo",
        f"--external_plugins {shlex.quote(str(plugin))}",
        f"--num_generations {recipe.objective.num_generations} --scale_rewards {recipe.objective.scale_rewards}",
    ]


ENGINES: dict[str, Callable[[Recipe, Path], list[str]]] = {"verl": _verl, "slime": _slime, "ms-swift": _ms_swift}
"""Engine -> from a recipe and its settings file to the parts of the command, to which one's own arguments are added."""


def command(engine: str, recipe: Recipe, file: Path) -> str:
    """Return the command of an engine, a line for each part; raises RecipeError for what the engine cannot do."""
    if recipe.objective.scale_rewards == "batch" and engine != "ms-swift":
        raise RecipeError(f"scale_rewards: batch is not known to {engine}; group and none are")
    return " \\\n  ".join(ENGINES[engine](recipe, file))
