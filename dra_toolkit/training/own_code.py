"""What a recipe names of the user's own for the trainer: reward functions and models, tools, environments, rollouts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import reward_arguments
from dra_toolkit.rewards import build_rewards, names_model
from dra_toolkit.training.hub_errors import first_words, model_errors


def own_code(recipe: Recipe) -> dict[str, Any]:
    """Return the trainer's arguments for what the recipe names; raises RecipeError for what cannot be loaded."""
    objective = recipe.objective
    rewards = [
        _model(recipe, reward) if isinstance(reward, str) else reward
        for reward in build_rewards(objective.reward_funcs, reward_arguments(recipe))
    ]
    environments: Any = objective.environment_factory
    if isinstance(environments, str):
        environments = _load("environment_factory", environments)
    elif environments is not None:
        environments = {name: _load("environment_factory", path) for name, path in environments.items()}
    rollout = objective.rollout_func
    return {
        "reward_funcs": rewards,
        "reward_processing_classes": _tokenizers(objective.reward_processing_classes, objective.reward_funcs),
        "tools": [_load("tools", path) for path in objective.tools] or None,
        "environment_factory": environments,
        "rollout_func": rollout and _load("rollout_func", rollout),
    }


@contextmanager
def tool_errors(recipe: Recipe) -> Iterator[None]:
    """Turn what TRL refuses of tools and environments into one line."""
    try:
        yield
    except (ValueError, ImportError) as error:
        objective = recipe.objective
        if not (objective.tools or objective.environment_factory) or isinstance(error, RecipeError):
            raise
        key = "tools" if objective.tools else "environment_factory"
        raise RecipeError(f"{key}: TRL refuses it: {first_words(error)}") from None


def _load(key: str, path: str) -> Any:
    expected = "a class or a function" if key == "environment_factory" else "a function"
    accepts: Callable[[Any], bool] = callable if key == "environment_factory" else inspect.isroutine
    return load_dotted(key, path, accepts=accepts, expected=expected)


def _model(recipe: Recipe, name: str) -> Any:
    with model_errors(name, None, key="reward_funcs"):
        return AutoModelForSequenceClassification.from_pretrained(
            str(Path(name).expanduser()), num_labels=1, trust_remote_code=recipe.model.trust_remote_code
        )


def _tokenizers(tokenizers: list[str], names: list[str]) -> list[Any] | None:
    """Return a tokenizer for each reward model that the recipe gives one, None for the others; None if it gives none."""
    given = iter(tokenizers)
    chosen = [next(given, None) if names_model(name) else None for name in names]
    return [name and _tokenizer(name) for name in chosen] if any(chosen) else None


def _tokenizer(name: str) -> Any:
    with model_errors(name, None, key="reward_processing_classes"):
        return AutoTokenizer.from_pretrained(str(Path(name).expanduser()))
