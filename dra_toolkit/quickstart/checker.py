"""What a program can say of a completion: form, answer and style; and of a group of them: how many ways.

Texts come from a model and may be anything: every function takes any string in time linear in its length.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

from dra_toolkit.quickstart.addition_ways import KEY_PHRASES
from dra_toolkit.quickstart.task import Problem

_BOX = re.compile(r"\\boxed\{([0-9]{1,4})\}")


def well_formed_answer(completion: str) -> str | None:
    """Return the boxed digits of a completion in the exact form, or None for every other text.

    >>> well_formed_answer("<think> 40 + 2 = 42 </think> \\\\boxed{42}")
    '42'
    """
    head, tag, tail = completion.strip().rpartition("</think>")
    derivation = head.removeprefix("<think>")
    if not tag or derivation == head or not derivation.strip():
        return None
    if any(mark in derivation for mark in ("<think>", "</think>", "\\boxed")):
        return None
    box = _BOX.fullmatch(tail.strip())
    return box[1] if box else None


def style_of(completion: str) -> str | None:
    """Name the one style whose key phrase (`KEY_PHRASES`) occurs in the text, else None."""
    found = [style for style, phrase in KEY_PHRASES.items() if phrase in completion]
    return found[0] if len(found) == 1 else None


def styles_of(completions: Sequence[str]) -> list[str | None]:
    """Return `style_of` each: labels for `dra audit --labels dra_toolkit.quickstart.checker.styles_of`."""
    return [style_of(completion) for completion in completions]


def distinct_correct_styles(completions: Sequence[str], prompt: str) -> int:
    """Count the styles among the well-formed, correct completions of one prompt, 0 to 5."""
    problem = Problem.from_prompt(prompt)
    solved = [text for text in completions if well_formed_answer(text) == problem.solution]
    return len({style_of(text) for text in solved} - {None})


def effective_styles(completions: Sequence[str]) -> float:
    """Effective number of styles, exp of the entropy of their shares: 5.0 if all are equally frequent.

    Completions without a recognised style are left out; 0.0 where none has one.
    """
    counts = Counter(style for style in map(style_of, completions) if style is not None)
    total = counts.total()
    return math.exp(-sum(n / total * math.log(n / total) for n in counts.values())) if total else 0.0
