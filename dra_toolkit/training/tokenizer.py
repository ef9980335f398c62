"""The policy's tokenizer, loaded before the data: it decides which prompts are too long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.training.data_sources import made_ways
from dra_toolkit.training.hub_errors import first_words, model_errors


def model_path(recipe: Recipe) -> str:
    """Return what `from_pretrained` is given for the recipe's model: a folder or a Hub id."""
    name = recipe["model_name_or_path"]
    if name.startswith(BUILTIN_PREFIX):
        return str(made_ways().model)
    return str(Path(name).expanduser()) if name.startswith("~") else name


def load_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """Load the tokenizer; raises RecipeError if there is none, it cannot be fetched, or it has no chat template."""
    name, revision = model_path(recipe), recipe["model_revision"]
    arguments: dict[str, Any] = {"revision": revision, "trust_remote_code": recipe["trust_remote_code"]}
    try:
        with model_errors(name, revision):
            tokenizer = AutoTokenizer.from_pretrained(name, **arguments)
    except ValueError as error:
        raise RecipeError(
            f"model_name_or_path: no tokenizer could be loaded from {name} ({first_words(error)})"
        ) from None
    if not tokenizer.chat_template:
        raise RecipeError(
            f"model_name_or_path: the tokenizer of {name} has no chat template; use an instruct model's, or set "
            "tokenizer.chat_template and save it"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
