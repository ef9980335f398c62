"""One judge of answers for rewards and evaluation: gold -> what was read, completion -> what was read, verdict.

`completions` and `golds` find where the answer stands, `notation` makes its text plain, `reading` reads it as one of
the kinds in `values` (with `amounts`, `expressions`, `regions`), `comparing` compares two of them;
`judging` puts these together and `service` runs it in worker processes with bounds on their processor time.
math-verify reads what is not read here: sums, integrals, limits.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of one pair."""

    right = "right"
    wrong = "wrong"
    unreadable_gold = "unreadable_gold"
    """Nothing was judged: the gold is missing, or no answer could be read from it."""
    no_answer = "no_answer"
    """The completion states no final answer, which is as bad as a wrong one."""
    timed_out = "timed_out"
    """The comparison used up its processor time, twice, or ended its process; counted as wrong."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on."""

    verdict: Verdict
    gold: str | None
    """The text in the gold that was read as the answer; None where there was none."""
    answer: str | None
    """The text in the completion that was read as its final answer; None where there was none."""
