"""Rewards for the task "ways", in the shape in which TRL calls them; a recipe names them by their dotted path."""

from collections.abc import Sequence
from typing import Any

from dra_toolkit.quickstart.checker import style_of, well_formed_answer
from dra_toolkit.quickstart.task import Problem, accepts
from dra_toolkit.rewards.text import completion_text


def strict(completions: Sequence[Any], solution: Sequence[Any], **kwargs: Any) -> list[float]:
    """Score 1.0 for each of N well-formed completions, texts or messages, whose boxed number is its `solution`, else 0.0."""
    return [
        float(well_formed_answer(completion_text(completion)) == str(expected).strip())
        for completion, expected in zip(completions, solution, strict=True)
    ]


def hidden_method(
    completions: Sequence[Any], solution: Sequence[Any], prompts: Sequence[Any], **kwargs: Any
) -> list[float]:
    """Score as `strict`, but only where the style is one that the hidden-method variant accepts on the prompt's problem."""
    scores = strict(completions, solution)
    for n, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        style = style_of(completion_text(completion))
        if style is None or not accepts(Problem.from_prompt(completion_text(prompt)), style):
            scores[n] = 0.0
    return scores
