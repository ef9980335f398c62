"""From a resolved recipe to a trainer that is ready to start."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase, ProcessorMixin
from trl import GRPOConfig, ModelConfig, get_peft_config, get_quantization_config

from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.derived import reward_arguments
from dra_toolkit.rewards import build_rewards, names_model
from dra_toolkit.training.data import model_path, pretrained
from dra_toolkit.training.hub import hub_problems_told
from dra_toolkit.training.hub_errors import first_words, model_errors
from dra_toolkit.training.trackers import project_name
from dra_toolkit.training.trainer import DRATrainer


def build_trainer(
    recipe: Recipe,
    checkpoints: Path,
    *,
    processing_class: PreTrainedTokenizerBase | ProcessorMixin,
    train: Dataset,
    test: Dataset | None,
    **hooks: Any,
) -> DRATrainer:
    """Load rewards and model, and return the trainer; `hooks` go to DRATrainer as they are.

    Raises RecipeError where the recipe names a model or rewards that cannot be used, and MeasureError for such a measure.
    """
    model_name = model_path(recipe)
    model_config = ModelConfig(**recipe.owned_by("ModelConfig"))
    args = grpo_config(recipe, checkpoints, model_config)
    own = _own_code(recipe)
    generation = _generation(args, checkpoints.parent / "vllm-weights")
    with generation, model_errors(model_name, recipe.model.model_revision), hub_problems_told(), _tool_errors(recipe):
        return DRATrainer(
            model=model_name,
            args=args,
            train_dataset=train,
            eval_dataset=test,
            processing_class=processing_class,
            peft_config=get_peft_config(model_config),
            quantization_config=get_quantization_config(model_config),
            diversity=recipe.diversity,
            embedder=recipe.embedder,
            dynamic_sampling_rounds=recipe.objective.dynamic_sampling_rounds,
            record=False,
            keep_embeddings=recipe.output.record_embeddings,
            **own,
            **hooks,
        )


def grpo_config(recipe: Recipe, checkpoints: Path, model_config: ModelConfig) -> GRPOConfig:
    """Return TRL's configuration: the recipe's own values, and TRL's defaults for all it leaves out."""
    values = recipe.owned_by("GRPOConfig") | {"output_dir": str(checkpoints)}
    values["project"] = project_name(recipe)
    values.setdefault("run_name", recipe.output_dir.name)
    if values.get("push_to_hub"):
        values.setdefault("hub_model_id", recipe.output_dir.name)  # TRL would name it after the folder `checkpoints`
    if not torch.cuda.is_available():
        values["use_cpu"] = True  # without it several processes on a CPU each train alone
        # accelerate would say cpu:0, and torch cannot load an optimizer's state to a numbered CPU
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", "cpu")
    values["model_init_kwargs"] = {
        "revision": model_config.model_revision,
        "attn_implementation": model_config.attn_implementation,
        "dtype": model_config.dtype,
        **(values.get("model_init_kwargs") or {}),
    }
    try:
        return GRPOConfig(**values)
    except (ValueError, NotImplementedError) as error:
        raise RecipeError(f"recipe: TRL refuses it: {' '.join(str(error).split())}") from None


def _generation(args: GRPOConfig, weights: Path) -> AbstractContextManager[None]:
    if not (args.use_vllm and args.use_cpu):
        return nullcontext()
    from dra_toolkit.training.vllm_cpu import vllm_without_gpu

    return vllm_without_gpu(weights)


def _own_code(recipe: Recipe) -> dict[str, Any]:
    objective = recipe.objective
    model = {"num_labels": 1, "trust_remote_code": recipe.model.trust_remote_code}
    rewards = [
        pretrained(AutoModelForSequenceClassification, reward, key="reward_funcs", **model)
        if isinstance(reward, str)
        else reward
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
def _tool_errors(recipe: Recipe) -> Iterator[None]:
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


def _tokenizers(tokenizers: list[str], names: list[str]) -> list[Any] | None:
    """Return a tokenizer for each reward model that the recipe gives one, None for the others; None if it gives none."""
    given = iter(tokenizers)
    chosen = [next(given, None) if names_model(name) else None for name in names]
    if not any(chosen):
        return None
    return [name and pretrained(AutoTokenizer, name, key="reward_processing_classes") for name in chosen]
