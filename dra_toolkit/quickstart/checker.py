"""What a program can say of a completion: form, answer, style, equations; and of a group of them: how many ways.

Texts come from a model and may be anything: every function takes any string in time linear in its length.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dra_toolkit.quickstart.derivations import KEY_PHRASES
from dra_toolkit.quickstart.task import Problem

_BOX = re.compile(r"\\boxed\{([0-9]{1,4})\}")
# Numbers are bounded because converting very long ones is slow; a match starts only at the head of a chain of terms,
# because a chain tried from each of its terms would take quadratic time.
_EQUATION = re.compile(r"(?<![0-9])(?<![+-] )[0-9]{1,4}(?: [+-] [0-9]{1,4})+ = [0-9]{1,4}(?![0-9])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """One completion, checked."""

    well_formed: bool
    """`<think> ... </think> \\boxed{digits}` and nothing else, with something between the tags."""
    correct: bool
    """The last boxed number is the sum, whatever the form."""
    style: str | None
    """The style whose key phrase occurs; None where no phrase occurs, or phrases of several styles."""
    equations_hold: bool
    """There is an equation, and every one is true."""


def analyse(completion: str, a: int, b: int) -> Analysis:
    """Check one completion to the prompt `What is a + b?`."""
    truths = [holds for _, holds in equations(completion)]
    return Analysis(
        well_formed=well_formed_answer(completion) is not None,
        correct=_last_box(completion) == str(a + b),
        style=style_of(completion),
        equations_hold=bool(truths) and all(truths),
    )


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


def _last_box(completion: str) -> str | None:
    boxes = _BOX.findall(completion)
    return boxes[-1] if boxes else None


def style_of(completion: str) -> str | None:
    """Name the one style whose key phrase (`KEY_PHRASES`) occurs in the text, else None."""
    found = [style for style, phrase in KEY_PHRASES.items() if phrase in completion]
    return found[0] if len(found) == 1 else None


def equations(completion: str) -> Iterator[tuple[str, bool]]:
    """Yield every sum or difference such as `4 + 3 + 1 = 8` in the text, and whether it is true."""
    for match in _EQUATION.finditer(completion):
        left, right = match[0].split(" = ")
        terms = left.replace("- ", "-").replace("+ ", "").split(" ")
        yield match[0], sum(map(int, terms)) == int(right)


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
