"""What difference between two checkpoints an evaluation can show, before it is made and after.

The difference of two means over P problems, n samples of each, has the variance (between + noise / n) / P. `between` is
the variance over problems of the true difference of two checkpoints, which no number of samples makes smaller; `noise`
that of the difference of one sample of each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.statistics.intervals import student
from dra_toolkit.evaluation.statistics.paired_tests import POWER

PRIOR_PROBLEMS, PRIOR_CHECKPOINTS = 2.0, 0.5
PRIOR = f"a prior: log odds that differ by {PRIOR_PROBLEMS} between problems, {PRIOR_CHECKPOINTS} between checkpoints"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What a comparison on one benchmark rests on."""

    benchmark: str
    problems: int
    n: int
    between: float
    noise: float
    most: float
    """What `between` is below, with 95 %; by the quantile 0.995 of chi squared, since differences are far from normal."""
    is_prior: bool = True


def expected(benchmark: str, problems: int, n: int) -> Spread:
    """Return the spread of a benchmark of which nothing is known: the prior, at an accuracy of one half."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    p = 1 / (1 + np.exp(-(PRIOR_PROBLEMS * nodes[:, None] + PRIOR_CHECKPOINTS * nodes[None, :])))
    means = p @ weights
    between = 2 * float(weights @ (((p - means[:, None]) ** 2) @ weights))
    noise = 2 * float(weights @ ((p * (1 - p)) @ weights))
    return Spread(benchmark=benchmark, problems=problems, n=n, between=between, most=between, noise=noise)


def measured(benchmark: str, cells: Sequence[BenchmarkResult], problems: int, n: int) -> Spread:
    """Return the spread of a benchmark from the answers of several checkpoints to the same problems.

    Samples of equal number have equal seeds, so that checkpoints that are alike answer alike. What one checkpoint, one
    sample of each problem, or problems that never tell two checkpoints apart do not show is that of the prior.
    """
    from scipy.special import chdtri

    prior = expected(benchmark, problems, n)
    known = [(cell.problems, cell.correct) for cell in cells if cell.correct is not None and cell.n > 1]
    if not known:
        return prior
    count = min(correct.shape[1] for _, correct in known)
    pairs = [(a, b) for (ours, a), (theirs, b) in combinations(known, 2) if ours == theirs and len(ours) > 1]
    gaps = [b[:, :count].astype(float) - a[:, :count] for a, b in pairs]
    total = float(np.mean([gap.mean(axis=1).var(ddof=1) for gap in gaps])) if gaps else 0.0
    if total == 0:
        noise = 2 * float(np.mean([correct.var(axis=1, ddof=1).mean() for _, correct in known]))
        return replace(prior, noise=noise or prior.noise)
    chance = float(np.mean([gap.var(axis=1, ddof=1).mean() for gap in gaps])) / count
    freedom = min(len(gap) for gap in gaps) - 1
    between, most = (max(0.0, each - chance) for each in (total, total * freedom / chdtri(freedom, 0.995)))
    return replace(prior, between=between, most=most, noise=(total - between) * count, is_prior=False)


def detectable(spreads: Sequence[Spread], times: float = 1.0) -> float:
    """Return the true difference of the average that is found, at p < 0.05, in 80 % of such comparisons.

    times: as many samples as planned; infinity for what no number of samples goes below.
    """
    parts = [((s.between + s.noise / (s.n * times)) / s.problems, s.problems) for s in spreads]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / max(1, P - 1) for part, P in parts)
    return (student(freedom) + student(freedom, POWER)) * math.sqrt(variance) / len(spreads)


def times_needed(spreads: Sequence[Spread], difference: float) -> float:
    """Return how many times as many samples would show a difference; infinity where none are enough."""
    if not detectable(spreads, math.inf) < difference:
        return math.inf
    low, high = 1e-3, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if detectable(spreads, middle) < difference else (middle, high)
    return high


def told(spreads: Sequence[Spread], points: float | None = None) -> list[str]:
    """Return in words what can be seen, how far more samples help, and what a named difference takes, given in points."""
    now = detectable(spreads)
    if not 0 < now < 1:
        return ["too few problems: no difference of two checkpoints would be told from chance here"]
    what = "the average" if len(spreads) > 1 else spreads[0].benchmark
    widest = [replace(spread, between=spread.most) for spread in spreads]
    twice, limit = detectable(spreads, 2), detectable(widest, math.inf)
    seen = [f"{100 * each:.1f}" for each in (now, twice, min(twice, limit))]
    supposed = [spread.benchmark for spread in spreads if spread.is_prior]
    source = "the answers that are there"
    if supposed:
        source = PRIOR if len(supposed) == len(spreads) else f"{source}; of {', '.join(supposed)} by {PRIOR}"
    lines = [
        f"two checkpoints that truly differ by {seen[0]} points of {what} are told apart four times in five (paired, "
        f"p < 0.05; by {source}); twice the samples: {seen[1]}, however many: {seen[2]}"
        + ("" if len(supposed) == len(spreads) else " or less")
    ]
    if points is not None and points > 0:
        times, at_most = (times_needed(each, points / 100) for each in (spreads, widest))
        asked = f"a difference of {points:.1f} points"
        if math.isinf(times):
            lines.append(f"{asked} cannot be seen with these problems, however many samples are taken")
        elif points >= 100 * now:
            lines.append(f"{asked} is seen with the samples that are planned")
        else:
            counts = ", ".join(f"{s.benchmark} {math.ceil(s.n * times)}" for s in spreads)
            is_open = " or more; that they are enough is not settled" if math.isinf(at_most) else ""
            lines.append(f"{asked} takes {times:.1f} times as many samples (--n: {counts}){is_open}")
    return lines
