"""The final answer that a completion states, as text: what two completions must share to have given the same answer."""

from __future__ import annotations

import re

TAIL = 4000
"""Characters from the end in which the answer is looked for; a completion of any length costs the same."""
LONGEST = 200
"""Characters of an answer; a longer one is no answer but prose."""
_BOX = "\\boxed{"
_TAG = re.compile(r"<answer>([^<]{1,200})</answer>\s*\Z")


def final_answer(completion: str) -> str | None:
    r"""Return the last `\boxed{...}` of a completion, or a closing `<answer>...</answer>`, without spaces; None if neither.

    >>> final_answer(r"so it is \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> final_answer("I do not know") is None
    True
    """
    tail = completion[-TAIL:]
    start = tail.rfind(_BOX)
    found = _balanced(tail[start + len(_BOX) :]) if start >= 0 else None
    if found is None:
        tagged = _TAG.search(tail)
        found = tagged[1] if tagged else None
    return "".join(found.split()) if found and found.strip() else None


def _balanced(text: str) -> str | None:
    """Return the text up to the brace that closes the one before it; None if it stays open or is too long."""
    depth = 1
    for i, character in enumerate(text[: LONGEST + 1]):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:i]
    return None
