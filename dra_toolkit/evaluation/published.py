"""Figures that others reported on the paper's five benchmarks, to stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SIZES = {"aime24": 30, "math_500": 500, "amc23": 40, "minerva": 272, "olympiadbench": 675}
"""Problems of each benchmark."""
NOTE = (
    "Reported figures are of one sample for each problem, mostly of the best of several checkpoints by these very "
    "benchmarks; ours are means of n samples. Prompts and metric are equal where lighteval's hash_examples is. Their errors "
    "follow from the number of problems alone: sqrt(p (1 - p) / N)."
)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One row of somebody's table, in per cent."""

    name: str
    source: str
    scores: Mapping[str, float]
    average: float

    def error(self, benchmark: str) -> float:
        """Return the standard error, in points, that one sample for each problem has."""
        p = self.scores[benchmark] / 100
        return 100 * float(np.sqrt(p * (1 - p) / SIZES[benchmark]))

    def average_error(self) -> float:
        """Return that of the average; NaN where the single scores were not reported."""
        if set(self.scores) != set(SIZES):
            return float("nan")
        return float(np.sqrt(sum(self.error(name) ** 2 for name in SIZES))) / len(SIZES)


def _five(*scores: float) -> dict[str, float]:
    return dict(zip(SIZES, scores, strict=True))


DRA_ISSUE = "discussion of the released repository"
REPORTED = (
    Reported(
        name="R1-Distill-Qwen-1.5B, as quoted by Open-RS",
        source="arXiv 2503.16219",
        scores=_five(28.8, 82.8, 62.9, 26.5, 43.3),
        average=48.9,
    ),
    Reported(
        name="R1-Distill-Qwen-1.5B, evaluated anew",
        source="a second group's re-evaluation",
        scores=_five(28.7, 84.6, 71.5, 30.5, 52.4),
        average=53.5,
    ),
    Reported(name="Open-RS1", source="arXiv 2503.16219", scores={}, average=53.0),
    Reported(name="Open-RS2", source="arXiv 2503.16219", scores={}, average=55.7),
    Reported(name="Open-RS3", source="arXiv 2503.16219", scores={}, average=56.3),
    Reported(name="GRPO, the authors' run", source="arXiv 2505.09655", scores={}, average=54.8),
    Reported(name="Dr. GRPO, the authors' run", source="arXiv 2505.09655", scores={}, average=56.0),
    Reported(
        name="DRA-GRPO",
        source="arXiv 2505.09655",
        scores={"math_500": 86.2, "minerva": 32.4},
        average=56.7,
    ),
    Reported(
        name="DRA-Dr. GRPO",
        source="arXiv 2505.09655",
        scores=_five(36.7, 85.2, 85.0, 30.5, 53.8),
        average=58.2,
    ),
    Reported(
        name="DRA-Dr. GRPO, a user's reproduction",
        source=DRA_ISSUE,
        scores=_five(26.7, 81.6, 72.5, 29.8, 50.1),
        average=52.1,
    ),
)
