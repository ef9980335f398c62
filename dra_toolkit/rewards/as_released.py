r"""Rewards as the released Open-RS and DRA-GRPO code has them, for measuring what their defects change.

Correctness: the gold answer is parsed as it stands, so a bare one is unparsable, and every completion gets 1.0; gold
answer and answer change places in `verify`, which is not symmetric; math-verify's own time limits make slow pairs wrong.

Cosine: length is in characters against 1,000, not clamped, so that the value oscillates: right answers are worth 1.0 at
2,000 characters, 0.5 at 3,000 and 1.0 again at 4,000. The two values for wrong answers change places, once in the code
and once in its recipes' values, so that short wrong answers are worth most.

Format: one `</think>` on a line of its own; nothing else is looked at, not even the answer tags that are asked for.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge import Verdict
from dra_toolkit.rewards.correctness import Reward, declares
from dra_toolkit.rewards.judged import gold_column, log_shares
from dra_toolkit.rewards.text import Completion, completion_text, of_texts

ANSWER_CHARACTERS = 20_000
"""How much of the end of gold and completion is searched for an answer."""


@declares(tells_correct=True)
def accuracy_as_released() -> Reward:
    """Return the reward: 1.0 for a right answer or an unreadable gold, else 0.0."""

    def reward(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = _judge_all("accuracy_as_released", completions, columns)
        return [float(v in (Verdict.right, Verdict.unreadable_gold)) for v in verdicts]

    return reward


@declares(tells_correct=True, can_be_negative=True)
def cosine_as_released(*, max_len: int = 1000) -> Reward:
    """Return the reward, with the values of the released recipes.

    low + (high - low) (1 + cos(pi L / max_len)) / 2 with L the characters of the completion; low and high are 0.5 and 1.0
    for right answers, -0.5 and 0.0 for wrong ones; 1.0 if the gold answer is unreadable.
    Raises RecipeError unless `max_len` is positive.
    """
    if max_len <= 0:
        raise RecipeError(f"cosine_as_released_max_len: found {max_len}, expected a positive number of characters")

    def reward(*, completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        verdicts = _judge_all("cosine_as_released", completions, columns)
        return [value(v, len(text)) for v, text in zip(verdicts, map(completion_text, completions), strict=True)]

    def value(verdict: Verdict, length: int) -> float:
        if verdict is Verdict.unreadable_gold:
            return 1.0
        low, high = (0.5, 1.0) if verdict is Verdict.right else (-0.5, 0.0)
        return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * length / max_len))

    return reward


@declares()
def format_as_released() -> Reward:
    r"""Return the reward: 1.0 if `\n</think>\n` stands in the completion exactly once, else 0.0."""
    return of_texts(lambda text: float(text.count("\n</think>\n") == 1))


def _judge_all(reward: str, completions: Sequence[Completion], columns: Mapping[str, Any]) -> list[Verdict]:
    """Judge N completions in bounded processes."""
    golds = gold_column(reward, columns)
    from dra_toolkit.judge.service import shared_judge

    texts = [text[-ANSWER_CHARACTERS:] for text in map(completion_text, completions)]
    ends = ["" if gold is None else str(gold)[-ANSWER_CHARACTERS:] for gold in golds]
    pairs = list(zip(ends, texts, strict=True))
    found = shared_judge().bounded(judge_as_released, [p for p in dict.fromkeys(pairs) if p[0].strip()])
    verdicts = [found.get(pair, Verdict.unreadable_gold) or Verdict.timed_out for pair in pairs]
    return log_shares(reward, verdicts, columns)


def judge_as_released(gold: str, answer: str) -> Verdict:
    """Compare one pair as the released code does; of the answer what is boxed first, no guessing, strict LaTeX."""
    from math_verify import LatexExtractionConfig, parse, verify
    from math_verify.parser import NormalizationConfig

    expected = parse(gold, [LatexExtractionConfig()], extraction_mode="first_match")
    if not expected:
        return Verdict.unreadable_gold
    strict = LatexExtractionConfig(
        try_extract_without_anchor=False,
        boxed_match_priority=0,
        normalization_config=NormalizationConfig(
            basic_latex=True, units=True, malformed_operators=False, nits=False, boxed="all", equations=True
        ),
    )
    found = parse(answer, [strict], extraction_mode="first_match")
    return Verdict.right if verify(gold=found, target=expected) else Verdict.wrong
