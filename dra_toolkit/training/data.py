"""The data of a run: read, put into conversations, freed of prompts that are too long, mixed; and the tokenizer for it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import transformers
from datasets import Dataset
from transformers import AutoConfig, AutoProcessor, AutoTokenizer, PreTrainedTokenizerBase, ProcessorMixin

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.rewards.registry import REWARDS
from dra_toolkit.rewards.text import content_text
from dra_toolkit.training.conversation import Tell, as_conversations, values_of
from dra_toolkit.training.data_sources import made_ways, read_split, sources
from dra_toolkit.training.hub_errors import first_words, model_errors
from dra_toolkit.training.images import image_column, with_images
from dra_toolkit.training.mixture import mixed, with_read_golds

BATCH = 256


def training_splits(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, tell: Tell = print
) -> tuple[Dataset, Dataset | None]:
    """Return the training split and, where the recipe evaluates, all held-out splits; the same in every process.

    Raises RecipeError for data that cannot be used; tells in one line each of rows left out and of what may surprise.
    """
    train = _split(recipe, tokenizer, tell)
    if recipe.data.eval_strategy == "no":
        return train, None
    return train, _split(recipe, tokenizer, lambda line: tell(f"evaluation: {line}"), held_out=True)


def _split(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, tell: Tell, *, held_out: bool = False) -> Dataset:
    members = sources(recipe)
    judged = any(getattr(REWARDS.get(name), "judges_answers", False) for name in recipe.objective.reward_funcs)
    datasets = []
    for member in members:
        read = read_split(recipe, member, held_out=held_out)
        dataset = as_conversations(read, member, recipe.data.system_prompt, tell)
        dataset = with_read_golds(dataset, member, tell) if judged else dataset
        if (column := image_column(dataset)) and _processor(recipe, column):
            dataset = with_images(dataset, column, member.name)
        datasets.append(_that_fit(recipe, tokenizer, member.name, dataset, tell))
        _tell_of_rendered(datasets[-1], member.name, tokenizer, recipe.data.system_prompt, tell)
    weights = None if held_out else recipe.data.dataset_weights
    if len(datasets) > 1:
        datasets = [mixed(datasets, members, weights, seed=recipe.training.seed, tell=tell)]
    return datasets[0]


def _that_fit(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, name: str, dataset: Dataset, tell: Tell) -> Dataset:
    """Return the rows whose prompts are no longer than allowed; RecipeError if none is left or the template refuses one."""
    longest, count = recipe.data.max_prompt_length, len(dataset)
    rendered = dataset.select(range(1)) if longest is None else dataset
    lengths = _lengths(rendered, name, tokenizer, _template_arguments(recipe))
    if longest is None or max(lengths) <= longest:
        return dataset
    fitting = [index for index, length in enumerate(lengths) if length <= longest]
    longer = f"of {name} are longer than {longest} tokens"
    if not fitting:
        raise RecipeError(f"max_prompt_length: all {count} prompts {longer}, the shortest has {min(lengths)}")
    tell(f"max_prompt_length: {count - len(fitting)} of {count} prompts {longer} and left out")
    return dataset.select(fitting)


def _tell_of_rendered(
    dataset: Dataset, name: str, tokenizer: PreTrainedTokenizerBase, system_prompt: str | None, tell: Tell
) -> None:
    """Tell how many prompts contain special tokens of the tokenizer as text, and which."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    pattern = re.compile("|".join(map(re.escape, sorted(special | set(tokenizer.all_special_tokens)))) or "(?!)")
    rows, found = 0, Counter[str]()
    for messages in values_of(dataset, "prompt"):
        texts = [content_text(message["content"]) for message in messages if message["content"] != system_prompt]
        tokens = {token for text in texts for token in pattern.findall(text)}
        rows += bool(tokens)
        found.update(tokens)
    if rows:
        tell(
            f"prompt_column: {rows} of {len(dataset)} prompts of {name} contain special tokens of the tokenizer "
            f"({', '.join(token for token, _ in found.most_common(3))}), as if a chat template had been applied; it is "
            "applied here, so expected plain texts"
        )


def _template_arguments(recipe: Recipe) -> dict[str, Any]:
    found = recipe.model.chat_template_kwargs
    try:
        found = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        raise RecipeError(f"chat_template_kwargs: found {found!r}, expected a mapping") from None
    return found or {}


def _lengths(
    dataset: Dataset, name: str, tokenizer: PreTrainedTokenizerBase, template_arguments: Mapping[str, Any]
) -> list[int]:
    """Return the tokens of each prompt, rendered as the trainer renders it; RecipeError where the template refuses one."""
    lengths: list[int] = []
    for batch in dataset.select_columns(["prompt"]).iter(batch_size=BATCH):
        try:
            rendered = tokenizer.apply_chat_template(
                batch["prompt"], add_generation_prompt=True, tokenize=True, return_dict=True, **template_arguments
            )
        except jinja2.TemplateError as error:
            raise RecipeError(
                f"prompt_column: the chat template refuses prompts of {name} ({first_words(error, 200)})"
            ) from None
        lengths.extend(map(len, rendered["input_ids"]))
    return lengths


def model_path(recipe: Recipe) -> str:
    """Return what `from_pretrained` is given for the recipe's model: a folder or a Hub id."""
    name = recipe.model.model_name_or_path
    if name.startswith(BUILTIN_PREFIX):
        return str(made_ways().model)
    return str(Path(name).expanduser()) if name.startswith("~") else name


def load_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """Load the policy's tokenizer; raises RecipeError where the policy samples no texts, or has no such chat template."""
    _check_policy(recipe)
    tokenizer = _of_model(recipe, AutoTokenizer)
    if not tokenizer.chat_template:
        raise RecipeError(
            f"model_name_or_path: the tokenizer of {model_path(recipe)} has no chat template; use an instruct model's, or "
            "set tokenizer.chat_template and save it"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _check_policy(recipe: Recipe) -> None:
    """Raise RecipeError for a policy that does not go on with a text: a classifier, an encoder, one that translates."""
    config = _of_model(recipe, AutoConfig)
    (kind, *_) = getattr(config, "architectures", None) or [""]
    asked = getattr(getattr(transformers, kind, None), "can_generate", None)
    goes_on = asked() if asked is not None else bool(kind and getattr(config, "auto_map", None))
    if not goes_on or getattr(config, "is_encoder_decoder", False):
        says = f"config.json says architectures {kind or 'nothing'}"
        raise RecipeError(f"model_name_or_path: {model_path(recipe)} is no causal language model ({says})")


def load_processor(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, dataset: Dataset
) -> PreTrainedTokenizerBase | ProcessorMixin:
    """Return what the trainer reads prompts with: the tokenizer, or the model's processor where the data have images.

    Raises RecipeError if the data have images and the model has no processor for them.
    """
    column = image_column(dataset)
    if column is None:
        return tokenizer
    found = _processor(recipe, column)
    mark, prompts = getattr(found, "image_token", None), values_of(dataset, "prompt")
    if mark and any(mark in content_text(message.get("content")) for prompt in prompts for message in prompt):
        raise RecipeError(
            f"prompt_column: found {mark} in a text; take it out, the chat template has it for each image"
        )
    return found


def _processor(recipe: Recipe, column: str) -> ProcessorMixin:
    found = _of_model(recipe, AutoProcessor)
    if isinstance(found, ProcessorMixin):
        return found
    raise RecipeError(
        f"dataset_name: the data have images in {column!r}, and the policy {model_path(recipe)} reads none; rename or drop "
        "the column, or name a vision-language model"
    )


def _of_model(recipe: Recipe, auto: Any) -> Any:
    model = recipe.model
    return pretrained(
        auto, model_path(recipe), revision=model.model_revision, trust_remote_code=model.trust_remote_code
    )


def pretrained(auto: Any, name: str, *, key: str = "model_name_or_path", **arguments: Any) -> Any:
    """Return what one of transformers' `Auto` classes loads; raises RecipeError, about a key, where it loads nothing."""
    try:
        with model_errors(name, arguments.get("revision"), key=key):
            return auto.from_pretrained(str(Path(name).expanduser()), **arguments)
    except RecipeError:
        raise
    except Exception as error:  # the readers of its files raise many types for what they cannot read
        raise RecipeError(f"{key}: {name} cannot be loaded ({first_words(error, 120)})") from None
