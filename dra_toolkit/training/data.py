"""The data of a run: read, put into conversations, freed of prompts that are too long, mixed."""

from __future__ import annotations

import json
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe
from dra_toolkit.training.conversation import Tell, as_conversations
from dra_toolkit.training.data_sources import Source, read_split, sources
from dra_toolkit.training.golds import needs_golds, reached, with_read_golds
from dra_toolkit.training.mixture import mixed
from dra_toolkit.training.prompt_length import check_template, rendered_already, within_length


def training_splits(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, tell: Tell = print
) -> tuple[Dataset, Dataset | None]:
    """Return the training split and, where the recipe evaluates, the evaluation split.

    Every process computes the same. Evaluation takes the held-out splits of all data sets, whatever their weights. Raises
    RecipeError for data that cannot be used; tells in one line each of rows left out and of what may surprise.
    """
    train = _split(recipe, tokenizer, tell, weights=recipe.data.dataset_weights)
    if recipe.data.eval_strategy == "no":
        return train, None
    return train, _split(recipe, tokenizer, lambda line: tell(f"evaluation: {line}"), held_out=True)


def _split(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    tell: Tell,
    *,
    weights: list[float] | None = None,
    held_out: bool = False,
) -> Dataset:
    members = sources(recipe)
    datasets = [
        as_conversations(
            reached(read_split(recipe, member.name, held_out=held_out), member.solution_column),
            member,
            recipe.data.system_prompt,
            tell,
        )
        for member in members
    ]
    if needs_golds(recipe):
        datasets = [with_read_golds(dataset, member, tell) for dataset, member in zip(datasets, members, strict=True)]
    datasets = _that_fit(recipe, tokenizer, members, datasets, tell)
    _tell_of_rendered(datasets, tokenizer, recipe.data.system_prompt, tell)
    if len(datasets) == 1:
        return datasets[0]
    return mixed(datasets, [member.name for member in members], weights, seed=recipe.training.seed, tell=tell)


def _that_fit(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    members: list[Source],
    datasets: list[Dataset],
    tell: Tell,
) -> list[Dataset]:
    """Return the data sets without the prompts that are longer than the recipe allows, and tell how many they were."""
    longest, arguments = recipe.data.max_prompt_length, _template_arguments(recipe)
    pairs = list(zip(datasets, (member.name for member in members), strict=True))
    for dataset, name in pairs:
        check_template(dataset, name, tokenizer, arguments)
    if longest is None:
        return datasets
    kept = [within_length(dataset, name, tokenizer, arguments, longest=longest) for dataset, name in pairs]
    before, after = sum(map(len, datasets)), sum(map(len, kept))
    if after < before:
        tell(
            f"max_prompt_length: {before - after} of {before} prompts are longer than {longest} tokens and left out"
            + (f" ({_left_out_of_each(pairs, kept)})" if len(pairs) > 1 else "")
        )
    return kept


def _left_out_of_each(pairs: list[tuple[Dataset, str]], kept: list[Dataset]) -> str:
    return ", ".join(f"{len(dataset) - len(rest)} of {name}" for (dataset, name), rest in zip(pairs, kept, strict=True))


def _tell_of_rendered(
    datasets: list[Dataset], tokenizer: PreTrainedTokenizerBase, system_prompt: str | None, tell: Tell
) -> None:
    looked_at = [rendered_already(dataset, tokenizer, system_prompt) for dataset in datasets]
    rows = sum(count for count, _ in looked_at)
    if rows:
        tokens = list(dict.fromkeys(token for _, found in looked_at for token in found))
        tell(
            f"prompt_column: {rows} of {sum(map(len, datasets))} prompts contain special tokens of the tokenizer "
            f"({', '.join(tokens[:3])}), as if a chat template had been applied; it is applied here, so expected plain texts"
        )


def _template_arguments(recipe: Recipe) -> dict[str, Any]:
    found = recipe.model.chat_template_kwargs
    try:
        found = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        raise RecipeError(f"chat_template_kwargs: found {found!r}, expected a mapping") from None
    return found or {}
