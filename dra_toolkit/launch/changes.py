"""What a run may go on with that differs from what it was started with."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.launch.accelerate import distributed_type
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import steps_per_generation
from dra_toolkit.recipe.keys import LAYOUT, MAY_CHANGE, PROCESSES
from dra_toolkit.recipe.places import same_place

REPLICATED = ("NO", "MULTI_GPU")
"""Layouts in which a checkpoint holds the whole optimizer, so that any number of processes can go on from it."""


def refuse_changes(recipe: Recipe, before: Recipe, run: Path, may_change: Collection[str] = MAY_CHANGE) -> None:
    """Raise RunError if going on with `recipe` would mix two settings in one run, which was started with `before`."""
    free = {*may_change, *LAYOUT} if may_change is MAY_CHANGE and _shares_steps_alike(recipe, before) else may_change
    changed = {
        key: f"{key}: the run has {before.settings[key].value!r}, the recipe now says {recipe[key]!r}"
        for key in recipe
        if key in before.settings and key not in free and not same_place(key, before[key], recipe[key], recipe.folder)
    }
    if PROCESSES in changed and _is_replicated(recipe, before):
        changed[PROCESSES] += f"; with completions_per_step={_completions(before)} another number can go on"
    if changed:
        raise RunError(
            *changed.values(), f"{run}: resume with the settings it was started with, or use another output_dir"
        )


def _shares_steps_alike(recipe: Recipe, before: Recipe) -> bool:
    """Return whether both give every step the same completions, and the checkpoints of one serve the other."""
    same_steps = _completions(recipe) == _completions(before) and _generated(recipe) == _generated(before)
    return same_steps and _is_replicated(recipe, before)


def _is_replicated(*recipes: Recipe) -> bool:
    return all(distributed_type(one) in REPLICATED and not (one.launch.deepspeed or one.launch.fsdp) for one in recipes)


def _completions(recipe: Recipe) -> int:
    """Return the completions of one optimizer step, over all processes."""
    return _at_once(recipe) * recipe.training.gradient_accumulation_steps


def _generated(recipe: Recipe) -> int:
    """Return the completions that are sampled at once, over all processes."""
    return _at_once(recipe) * steps_per_generation(recipe)


def _at_once(recipe: Recipe) -> int:
    return recipe.training.per_device_train_batch_size * recipe.launch.num_processes
