"""From a resolved recipe to a trainer that is ready to start."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, ProcessorMixin
from trl import GRPOConfig, ModelConfig, get_peft_config, get_quantization_config

from dra_toolkit.diversity import is_dotted, load_labeller, load_measure
from dra_toolkit.errors import MeasureError, RecipeError
from dra_toolkit.recipe import Recipe
from dra_toolkit.training.hub import hub_problems_told
from dra_toolkit.training.hub_errors import model_errors
from dra_toolkit.training.own_code import own_code, tool_errors
from dra_toolkit.training.tokenizer import model_path
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
    settings = recipe.embedder
    check_measure(recipe)
    args = grpo_config(recipe, checkpoints, model_config)
    own = own_code(recipe)
    generation = _generation(args, checkpoints.parent / "vllm-weights")
    with generation, model_errors(model_name, recipe.model.model_revision), hub_problems_told(), tool_errors(recipe):
        return DRATrainer(
            model=model_name,
            args=args,
            train_dataset=train,
            eval_dataset=test,
            processing_class=processing_class,
            peft_config=get_peft_config(model_config),
            quantization_config=get_quantization_config(model_config),
            diversity=recipe.diversity,
            embedder=settings,
            record=False,
            keep_embeddings=recipe.output.record_embeddings,
            **own,
            **hooks,
        )


def check_measure(recipe: Recipe) -> None:
    """Load a measure of the user's own, and labels; raises MeasureError if the recipe's embedder cannot serve them."""
    name, labels = recipe.diversity.measure, recipe.diversity.labels
    if not is_dotted(name):
        return
    needs = set(load_measure(name).needs)
    if "labels" in needs and is_dotted(labels):
        load_labeller(labels)
    clusters = "labels" in needs and labels == "similarity"
    if recipe.embedder.name == "none" and (clusters or {"similarity", "embeddings"} & needs):
        reason = "diversity_labels: similarity" if clusters else f"diversity: {name}"
        raise MeasureError(f"embedder: none cannot measure the similarity that {reason} needs")


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
    """Return what is in place while the trainer is constructed: where it uses vLLM on a CPU, generation made for that."""
    if not (args.use_vllm and args.use_cpu):
        return nullcontext()
    from dra_toolkit.training.vllm_cpu import vllm_without_gpu

    return vllm_without_gpu(weights)
