"""One judge of answers for rewards and evaluation: gold -> what was read, completion -> what was read, verdict.

`completions` and `golds` find where the answer stands, `notation` makes its text plain, `reading` reads it as one of
the kinds in `values` (with `words`, `amounts`, `expressions`, `regions`, `tables`), `comparing` compares two of them;
`judging` puts these together and `service` runs it in worker processes with bounds on their processor time.
math-verify reads what is not read here: sums, integrals, limits.
"""

from dra_toolkit.judge.judging import equivalent, judge, read_gold
from dra_toolkit.judge.verdict import Judgement, Verdict

__all__ = ["Judgement", "Verdict", "equivalent", "judge", "read_gold"]
