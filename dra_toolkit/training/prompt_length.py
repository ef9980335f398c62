"""What the tokenizer makes of prompts: how long they are with the chat template, and whether they hold one already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.text import content_text

BATCH = 256


def check_template(
    dataset: Dataset, name: str, tokenizer: PreTrainedTokenizerBase, template_arguments: Mapping[str, Any]
) -> None:
    """Render the first prompt; raises RecipeError if the chat template refuses it, for its system message for example."""
    next(_lengths(dataset.select(range(1)), name, tokenizer, template_arguments))


def within_length(
    dataset: Dataset,
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    template_arguments: Mapping[str, Any],
    *,
    longest: int,
) -> Dataset:
    """Return the rows whose prompt, rendered as the trainer renders it, has at most `longest` tokens.

    Raises RecipeError if none has.
    """
    lengths = list(_lengths(dataset, name, tokenizer, template_arguments))
    fitting = [index for index, length in enumerate(lengths) if length <= longest]
    if not fitting:
        raise RecipeError(
            f"max_prompt_length: all {len(lengths)} prompts of {name} are longer than {longest} tokens, the shortest has "
            f"{min(lengths)}"
        )
    return dataset if len(fitting) == len(lengths) else dataset.select(fitting)


def rendered_already(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, system_prompt: str | None
) -> tuple[int, list[str]]:
    """Return how many prompts contain special tokens of the tokenizer as text, and the most frequent of these."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    pattern = (
        re.compile("|".join(map(re.escape, sorted(special | set(tokenizer.all_special_tokens))))) if special else None
    )
    if pattern is None:
        return 0, []
    rows, found = 0, Counter[str]()
    for batch in dataset.select_columns(["prompt"]).iter(batch_size=BATCH):
        for messages in batch["prompt"]:
            own = (message for message in messages if message["content"] != system_prompt)
            tokens = {token for message in own for token in pattern.findall(content_text(message["content"]))}
            rows += bool(tokens)
            found.update(tokens)
    return rows, [token for token, _ in found.most_common(3)]


def _lengths(
    dataset: Dataset, name: str, tokenizer: PreTrainedTokenizerBase, template_arguments: Mapping[str, Any]
) -> Iterator[int]:
    for batch in dataset.select_columns(["prompt"]).iter(batch_size=BATCH):
        try:
            rendered = tokenizer.apply_chat_template(
                batch["prompt"], add_generation_prompt=True, tokenize=True, return_dict=True, **template_arguments
            )
        except jinja2.TemplateError as error:
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(f"prompt_column: the chat template refuses prompts of {name} ({reason})") from None
        yield from map(len, rendered["input_ids"])
