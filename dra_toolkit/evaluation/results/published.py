"""Figures that others reported on the paper's five benchmarks, to stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SIZES = {"aime24": 30, "math_500": 500, "amc23": 40, "minerva": 272, "olympiadbench": 675}
"""Problems of each benchmark."""
NOTE = (
    "Reported figures are of one sample for each problem where no n is given, mostly of the best of several checkpoints by "
    "these very benchmarks; ours are means of n samples. Their errors follow from the number of problems alone, "
    "sqrt(p (1 - p) / N); where n is unknown, because one sample cannot give these scores, or more than 1, none is known; ≈ "
    "marks an average whose parts were not reported. Prompts and data are equal where lighteval's "
    "hash_examples is; engine and numerics remain different."
)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One row of somebody's table, in per cent."""

    name: str
    source: str
    scores: Mapping[str, float]
    average: float
    n: int | None = 1
    """Samples of each problem; None where it is not known, and one sample cannot give the scores of the source."""

    def error(self, benchmark: str) -> float:
        """Return the standard error, in points, that one sample for each problem has; NaN where it was not one."""
        if self.n != 1:
            return float("nan")
        p = self.scores[benchmark] / 100
        return 100 * float(np.sqrt(p * (1 - p) / SIZES[benchmark]))

    def average_error(self) -> float:
        """Return that of the average; NaN where the single scores were not reported, or are of several samples."""
        if set(self.scores) != set(SIZES) or self.n != 1:
            return float("nan")
        return float(np.sqrt(sum(self.error(name) ** 2 for name in SIZES))) / len(SIZES)

    def about_average_error(self) -> float:
        """Return that of the average, or what it is for the rows that have all scores: it hardly depends on them."""
        known = self.average_error()
        if not np.isnan(known) or self.n != 1:
            return known
        return float(np.nanmean([row.average_error() for row in REPORTED]))


def _five(*scores: float) -> dict[str, float]:
    return dict(zip(SIZES, scores, strict=True))


DRA, OPEN_RS, MMR = "arXiv 2505.09655", "arXiv 2503.16219", "its README"
DRA_THREAD = "issues of DRA's repository"
SECOND = "notes on the paper"
DISTILLED = "R1-Distill-Qwen-1.5B"


def _average(name: str, source: str, average: float, *, n: int | None = 1) -> Reported:
    return Reported(name=name, source=source, scores={}, average=average, n=n)


REPORTED = (
    Reported(name=DISTILLED, source=OPEN_RS, scores=_five(28.8, 82.8, 62.9, 26.5, 43.3), average=48.9, n=None),
    Reported(
        name=f"{DISTILLED}, re-evaluated",
        source=SECOND,
        scores=_five(28.7, 84.6, 71.5, 30.5, 52.4),
        average=53.5,
        n=None,
    ),
    _average("Open-RS1", OPEN_RS, 53.0),
    _average("Open-RS2", OPEN_RS, 55.7),
    _average("Open-RS3", OPEN_RS, 56.3),
    _average("Open-RS1, re-evaluated", SECOND, 54.5, n=None),
    _average("Open-RS2, re-evaluated", SECOND, 54.3, n=None),
    _average("Open-RS3, re-evaluated", SECOND, 52.7, n=None),
    _average("GRPO, the authors' run", DRA, 54.8),
    _average("Dr. GRPO, the authors' run", DRA, 56.0),
    Reported(name="DRA-GRPO", source=DRA, scores={"math_500": 86.2, "minerva": 32.4}, average=56.7),
    Reported(name="DRA-Dr. GRPO", source=DRA, scores=_five(36.7, 85.2, 85.0, 30.5, 53.8), average=58.2),
    Reported(
        name="DRA-Dr. GRPO, a user's run", source=DRA_THREAD, scores=_five(26.7, 81.6, 72.5, 29.8, 50.1), average=52.1
    ),
    _average("GRPO, MMR-GRPO's run", MMR, 54.7, n=16),
    _average("MMR-GRPO", MMR, 54.9, n=16),
    _average("Dr. GRPO, MMR-GRPO's run", MMR, 54.9, n=16),
    _average("DAPO, MMR-GRPO's run", MMR, 55.6, n=16),
)
