"""A completion of the quickstart's task, read in full: what the tests hold the derivations against."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dra_toolkit.quickstart import style_of, well_formed_answer

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


def _last_box(completion: str) -> str | None:
    boxes = _BOX.findall(completion)
    return boxes[-1] if boxes else None


def equations(completion: str) -> Iterator[tuple[str, bool]]:
    """Yield every sum or difference such as `4 + 3 + 1 = 8` in the text, and whether it is true."""
    for match in _EQUATION.finditer(completion):
        left, right = match[0].split(" = ")
        terms = left.replace("- ", "-").replace("+ ", "").split(" ")
        yield match[0], sum(map(int, terms)) == int(right)
