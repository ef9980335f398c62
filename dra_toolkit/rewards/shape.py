r"""Rewards for the shape of a completion, whatever it answers.

`format`: the format rewards of arXiv 2501.12948 and open-r1 (github.com/huggingface/open-r1, src/open_r1/rewards.py),
for models whose chat template puts the opening tag into the prompt and that give their answer without tags.
`tag_count`: `tag_count_reward` of open-r1, with the same line breaks around the tags of `<think> ... </think> <answer>
... </answer>`; where the chat template puts the opening tag into the prompt, a completion gets at most 0.75.
`reasoning_steps`: `reasoning_steps_reward` of open-r1 (`Step 1:`, numbered and bulleted lines, `First,`, `Second,`,
`Next,`, `Finally,`), except that numbered lines count everywhere, not only at the very start.
`repetition_penalty`: arXiv 2502.03373, appendix; as one value per completion, as in open-r1.
"""

import re

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.correctness import Reward, declares
from dra_toolkit.rewards.text import of_texts

TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
_STEP = re.compile(r"\bStep \d+:|^\d+\.\s|^[-*]\s|\b(?:First|Second|Next|Finally),", re.MULTILINE)


@declares()
def format() -> Reward:
    """Return the reward: 1.0 for a completion in the format of `well_formed`, else 0.0."""
    return of_texts(lambda text: float(well_formed(text)))


@declares()
def tag_count() -> Reward:
    """Return the reward: 0.25 for each of the four tags that stands in the completion exactly once."""
    return of_texts(lambda text: 0.25 * sum(text.count(tag) == 1 for tag in TAGS))


@declares()
def reasoning_steps(*, steps: int = 3) -> Reward:
    """Return the reward: the share of `steps` that the completion shows, at most 1.0.

    Raises RecipeError unless `steps` is positive.
    """
    if steps <= 0:
        raise RecipeError(f"reasoning_steps_steps: found {steps}, expected a positive number of steps")
    return of_texts(lambda text: min(1.0, len(_STEP.findall(text)) / steps))


@declares(can_be_negative=True)
def repetition_penalty(*, ngram_size: int = 3, max_penalty: float = -1.0) -> Reward:
    """Return the reward: `max_penalty` times the share of n-grams of words that repeat an earlier one.

    Words are split at white space and compared in lower case; a completion of fewer than `ngram_size` words gives 0.0.
    Raises RecipeError unless `ngram_size` is positive and `max_penalty` is not.
    """
    if ngram_size <= 0:
        raise RecipeError(f"repetition_penalty_ngram_size: found {ngram_size}, expected a positive number of words")
    if max_penalty > 0:
        raise RecipeError(f"repetition_penalty_max_penalty: found {max_penalty}, expected a value of at most 0")
    return of_texts(lambda text: max_penalty * repeated_share(text, ngram_size))


def well_formed(text: str) -> bool:
    """Tell whether a text is reasoning, `</think>` and an answer.

    `</think>` stands in it exactly once, with something other than white space before and after it. `<think>` does not
    stand in it, or once as its very first characters. White space and line breaks around the tags are free.
    """
    from dra_toolkit.judge.completions import CLOSING, OPENING

    reasoning, closing, answer = text.removeprefix(OPENING).partition(CLOSING)
    tags_left = OPENING in reasoning or OPENING in answer or CLOSING in answer
    return bool(closing and reasoning.strip() and answer.strip()) and not tags_left


def repeated_share(text: str, ngram_size: int) -> float:
    """Return which share of the n-grams of words in a text repeat an earlier one: 0 to below 1."""
    words = text.lower().split()
    ngrams = [tuple(words[i : i + ngram_size]) for i in range(len(words) - ngram_size + 1)]
    return 1.0 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
