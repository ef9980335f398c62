"""Legal settings that may surprise, one line each, with the key that changes it."""

from __future__ import annotations

from collections.abc import Iterator

from dra_toolkit.recipe.derived import steps_per_generation
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.rewards import REWARDS


def notes(recipe: Recipe) -> Iterator[str]:
    """Yield a line for each legal setting that may surprise."""
    per_generation = recipe["num_iterations"] * steps_per_generation(recipe)
    every = max(1, per_generation // recipe["gradient_accumulation_steps"])
    if recipe["save_strategy"] == "steps" and recipe["save_steps"] >= 1 and recipe["save_steps"] % every:
        yield (
            f"save_steps: {recipe['save_steps']} is not a multiple of {every}, the steps that share one generation; "
            "a resumed run samples that batch anew instead of repeating it"
        )
    for key in recipe.owned_by("reward"):
        given = recipe.settings[key].origin in ("recipe", "override")
        owner = max((name for name in REWARDS if key.startswith(f"{name}_")), key=len)
        if given and owner not in recipe["reward_funcs"]:
            yield f"{key}: has no effect, {owner} is not among reward_funcs"
