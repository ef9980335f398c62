"""Figures that others reported on the paper's five benchmarks, to stand beside ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dra_toolkit.evaluation.statistics.intervals import Score, interval

SIZES = {"aime24": 30, "math_500": 500, "amc23": 40, "minerva": 272, "olympiadbench": 675}
_FIGURES = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
NOTE = _FIGURES["note"]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One row of somebody's table, in per cent."""

    name: str
    source: str
    scores: Mapping[str, float]
    average: float
    n: int | None = 1
    """Samples of each problem; None where it is not known, and one sample cannot give the scores of the source."""

    def score(self, benchmark: str) -> Score | None:
        """Return a share as ours are, with the error that is known of it; that of the average for an empty name."""
        if not benchmark:
            return interval(self.average / 100, self.average_error() / 100, sum(SIZES.values()))
        if benchmark not in self.scores:
            return None
        return interval(self.scores[benchmark] / 100, self.error(benchmark) / 100, SIZES[benchmark])

    def error(self, benchmark: str) -> float:
        """Return the standard error, in points, that one sample for each problem has; NaN where it was not one."""
        if self.n != 1:
            return float("nan")
        p = self.scores[benchmark] / 100
        return 100 * float(np.sqrt(p * (1 - p) / SIZES[benchmark]))

    @property
    def is_whole(self) -> bool:
        """Whether the parts of the average were reported too."""
        return set(self.scores) == set(SIZES)

    def average_error(self) -> float:
        """Return that of the average; of one whose parts are unknown that of the others, for it hardly depends on them."""
        if not self.is_whole:
            others = [row.average_error() for row in REPORTED if row.is_whole]
            return float(np.nanmean(others)) if self.n == 1 else float("nan")
        return float(np.sqrt(sum(self.error(name) ** 2 for name in SIZES))) / len(SIZES)


REPORTED = tuple(Reported(**{"scores": {}, **row}) for row in _FIGURES["rows"])
