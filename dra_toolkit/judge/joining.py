"""Which of many answers are the same: for votes, for distinct answers, and for the labels of clusters."""

import functools
import re
from collections.abc import Iterable

from dra_toolkit.judge.judging import equivalent
from dra_toolkit.judge.notation import plain, squeezed

LONGEST, MOST_DISTINCT = 120, 64
"""Characters of an answer, and distinct answers, beyond which only texts are compared: no text may make a report slow."""
_SLOW = re.compile(r"\\(?:sum|prod|int|lim|max|min|gcd|lcm|bmod)(?![a-z])|!|\\binom")


def joined(answers: Iterable[str | None]) -> list[str | None]:
    r"""Return the answers with each replaced by the first one that is the same; None stays None.

    For votes, for distinct answers, and for the labels of clusters.

    >>> joined(["5", "x = 5", None, r"\frac{10}{2}", "6"])
    ['5', '5', None, '5', '6']
    """
    first: dict[str, str] = {}

    def join(answer: str) -> str:
        key = squeezed(plain(answer))
        if key not in first:
            seen = dict.fromkeys(first.values()) if len(set(first.values())) < MOST_DISTINCT else {}
            first[key] = next((other for other in seen if _same(other, answer)), answer)
        return first[key]

    return [None if answer is None else join(answer) for answer in answers]


@functools.lru_cache(maxsize=4096)
def _same(one: str, other: str) -> bool:
    if max(len(one), len(other)) > LONGEST or _SLOW.search(one) or _SLOW.search(other):
        return False
    return equivalent(one, other) and equivalent(other, one)
