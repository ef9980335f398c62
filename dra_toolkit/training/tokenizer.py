"""The policy's tokenizer, loaded before the data: it decides which prompts are too long. Its processor, for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import AutoProcessor, AutoTokenizer, PreTrainedTokenizerBase, ProcessorMixin

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.training.conversation import reads_images
from dra_toolkit.training.data_sources import made_ways
from dra_toolkit.training.hub_errors import first_words, model_errors


def model_path(recipe: Recipe) -> str:
    """Return what `from_pretrained` is given for the recipe's model: a folder or a Hub id."""
    name = recipe.model.model_name_or_path
    if name.startswith(BUILTIN_PREFIX):
        return str(made_ways().model)
    return str(Path(name).expanduser()) if name.startswith("~") else name


def load_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """Load the tokenizer; raises RecipeError if there is none, it cannot be fetched, or it has no chat template."""
    tokenizer = _load(recipe, AutoTokenizer, "tokenizer")
    if not tokenizer.chat_template:
        raise RecipeError(
            f"model_name_or_path: the tokenizer of {model_path(recipe)} has no chat template; use an instruct model's, or "
            "set tokenizer.chat_template and save it"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_processor(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, dataset: Dataset
) -> PreTrainedTokenizerBase | ProcessorMixin:
    """Return what the trainer reads prompts with: the tokenizer, or the model's processor where the data have images.

    Raises RecipeError if the data have images and the model has no processor for them.
    """
    images = reads_images(dataset)
    if images is None:
        return tokenizer
    found = _load(recipe, AutoProcessor, "processor")
    if not isinstance(found, ProcessorMixin):
        raise RecipeError(
            f"dataset_name: the data have {images}, and the policy {model_path(recipe)} reads no images; rename or drop "
            "it, or name a vision-language model"
        )
    return found


def _load(recipe: Recipe, auto: Any, what: str) -> Any:
    name, revision = model_path(recipe), recipe.model.model_revision
    try:
        with model_errors(name, revision):
            return auto.from_pretrained(name, revision=revision, trust_remote_code=recipe.model.trust_remote_code)
    except (ValueError, ImportError) as error:
        raise RecipeError(f"model_name_or_path: no {what} could be loaded from {name} ({first_words(error)})") from None
