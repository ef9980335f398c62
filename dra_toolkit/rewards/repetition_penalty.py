"""A penalty for saying the same words over and over.

Source: arXiv 2502.03373, appendix; as one value per completion, as in open-r1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.contract import Reward
from dra_toolkit.rewards.correctness import declares
from dra_toolkit.rewards.text import Completion, completion_texts


@declares(can_be_negative=True)
def build(*, ngram_size: int = 3, max_penalty: float = -1.0) -> Reward:
    """Return the reward: `max_penalty` times the share of n-grams of words that repeat an earlier one.

    Words are split at white space and compared in lower case; a completion of fewer than `ngram_size` words gives 0.0.
    Raises RecipeError unless `ngram_size` is positive and `max_penalty` is not.
    """
    if ngram_size <= 0:
        raise RecipeError(f"repetition_penalty_ngram_size: found {ngram_size}, expected a positive number of words")
    if max_penalty > 0:
        raise RecipeError(f"repetition_penalty_max_penalty: found {max_penalty}, expected a value of at most 0")

    def repetition_penalty(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        return [max_penalty * repeated_share(text, ngram_size) for text in completion_texts(completions)]

    return repetition_penalty


def repeated_share(text: str, ngram_size: int) -> float:
    """Return which share of the n-grams of words in a text repeat an earlier one: 0 to below 1."""
    words = text.lower().split()
    ngrams = [tuple(words[i : i + ngram_size]) for i in range(len(words) - ngram_size + 1)]
    return 1.0 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
