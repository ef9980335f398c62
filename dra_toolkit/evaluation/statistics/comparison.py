"""Is one model better than another? Compared on the same problems, because these differ far more than models do."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.statistics.intervals import Z, student
from dra_toolkit.evaluation.statistics.paired_tests import POWER, Interval, holm, normal_test, sign_flip, t_interval
from dra_toolkit.groups import Array

LEVEL = 0.05
"""Below which p-value, after Holm's correction, a difference is called shown."""
MUST_AGREE = ("temperature", "top_p", "max_new_tokens", "system_prompt", "chat_template")
"""Settings without whose equality a difference may be theirs and not the models'."""
AVERAGE = "average"
UNPAIRED = (
    "which of the same problems were solved is not known of both, so scores are compared and not paired: the interval is "
    "wider than pairing would make it, and small differences cannot show"
)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Right minus left, on the problems that both answered."""

    benchmark: str
    """One benchmark, or `average` over several."""
    left: float
    right: float
    interval: Interval
    """Of the difference, 95 %: Student's t over problems where it is paired."""
    problems: int
    p: float
    """Two-sided p-value by flipping signs of the differences; with one sample of each problem McNemar's exact test."""
    corrected: float | None = None
    """The same after Holm's correction for the number of comparisons, where there are several."""
    paired: bool = True
    """False where only the scores are known, not which problems were solved; the interval is then too wide."""

    @property
    def difference(self) -> float:
        """Right minus left."""
        return self.right - self.left

    @property
    def reach(self) -> str:
        """The interval in points."""
        return f"{100 * self.interval.low:+.1f} to {100 * self.interval.high:+.1f}"

    @property
    def p_adjusted(self) -> float:
        """The p-value that the finding rests on."""
        return self.p if self.corrected is None else self.corrected

    @property
    def verdict(self) -> str:
        """The finding in words."""
        points = f"{100 * abs(self.difference):.1f} points"
        how = "" if self.paired else " (not paired)"
        if np.isnan(self.p) or (self.paired and self.problems < 2):
            return "cannot be told: there are too few problems, or the error is unknown"
        apart, likely = not self.interval.low <= 0 <= self.interval.high, self.p_adjusted < LEVEL
        if not apart and not likely:
            return f"no difference shown: {points} apart, and anything from {self.reach} fits{how}"
        better = "right" if self.difference > 0 else "left"
        if apart and likely:
            return f"the {better} one is better by {points} (95 %: {self.reach}; p = {_short(self.p_adjusted)}){how}"
        corrected = " after correction for the number of comparisons" if self.p < LEVEL <= self.p_adjusted else ""
        return (
            f"not settled: the {better} one is ahead by {points} (95 %: {self.reach}), "
            f"but p = {_short(self.p_adjusted)}{corrected}{how}"
        )


def _short(p: float) -> str:
    return "0.001 or less" if p <= 0.001 else f"{p:.3f}".rstrip("0")


def compare(
    left: Sequence[BenchmarkResult], right: Sequence[BenchmarkResult], *, seed: int = 0, notes: list[str] | None = None
) -> list[Paired]:
    """Compare two models on each benchmark that both were evaluated on, and on their average if there are several.

    A benchmark of which only the scores are known, or no problem is shared, is compared unpaired.

    notes: takes a line for each limit of what the comparison says. Raises EvaluationError if no benchmark is shared.
    """
    rng = np.random.default_rng(seed)
    notes = notes if notes is not None else []
    others = {cell.benchmark: cell for cell in right}
    shared = [(cell, others[cell.benchmark]) for cell in left if cell.benchmark in others]
    if not shared:
        ours, theirs = (", ".join(cell.benchmark for cell in cells) for cells in (left, right))
        raise EvaluationError(f"compare: the two share no benchmark ({ours}; {theirs}); evaluate both on one of them")
    found: list[Paired] = []
    answered: list[tuple[Array, Array]] = []
    for pair in shared:
        notes += _settings_apart(*pair)
        if (columns := _shared_problems(*pair, notes)) is None:
            found.append(_unpaired(*pair))
        else:
            found.append(_paired(pair[0].benchmark, [columns], rng))
            answered.append(columns)
    if unpaired := [each.benchmark for each in found if not each.paired]:
        notes.append(f"{', '.join(unpaired)}: {UNPAIRED}")
    if len(found) == 1:
        return found
    return [*together(found), _unpaired_average(found) if unpaired else _paired(AVERAGE, answered, rng)]


def together(found: Sequence[Paired]) -> list[Paired]:
    """Return comparisons with their p-values corrected for how many they are."""
    adjusted = holm([each.p for each in found])
    return [replace(each, corrected=p) for each, p in zip(found, adjusted, strict=True)]


def against(
    base: Sequence[BenchmarkResult], others: Mapping[str, Sequence[BenchmarkResult]], *, seed: int = 0
) -> dict[str, Paired]:
    """Compare many models with one, each by its average over what both were evaluated on, and correct them together.

    others: cells by label. One that shares no benchmark with the base is left out.
    """
    shared = {cell.benchmark for cell in base}
    found = {
        label: compare(base, cells, seed=seed)[-1]
        for label, cells in others.items()
        if shared & {cell.benchmark for cell in cells}
    }
    return dict(zip(found, together(list(found.values())), strict=True))


def _settings_apart(left: BenchmarkResult, right: BenchmarkResult) -> list[str]:
    """Return a line if the two were sampled differently in what changes accuracy itself."""
    if not (left.settings and right.settings):
        return []
    apart = [name for name in MUST_AGREE if left.settings.get(name) != right.settings.get(name)]
    told = ", ".join(f"{name} {left.settings.get(name)} and {right.settings.get(name)}" for name in apart)
    return [f"{left.benchmark}: sampled with different settings: {told}"] if apart else []


def _shared_problems(left: BenchmarkResult, right: BenchmarkResult, notes: list[str]) -> tuple[Array, Array] | None:
    """Return what both have of the problems that both answered, (P, n) each; None where they cannot be paired."""
    name = left.benchmark
    if left.correct is None or right.correct is None:
        return None
    places = {problem: i for i, problem in enumerate(right.problems)}
    shared = [(i, places[problem]) for i, problem in enumerate(left.problems) if problem in places]
    if not shared:
        return None
    if len(shared) < max(len(left.problems), len(right.problems)):
        notes.append(f"{name}: compared on {len(shared)} of {len(left.problems)} and {len(right.problems)} problems")
    elif left.hash_examples and right.hash_examples and left.hash_examples != right.hash_examples:
        notes.append(f"{name}: asked with different prompts ({left.hash_examples}, {right.hash_examples})")
    a, b = (np.array(rows) for rows in zip(*shared, strict=True))
    return left.correct[a], right.correct[b]


def _paired(benchmark: str, answered: Sequence[tuple[Array, Array]], rng: np.random.Generator) -> Paired:
    """Compare unweighted means over benchmarks; answered: what both have of the same problems of each, (P, n)."""
    left, right = (float(np.mean([side.mean() for side in sides])) for sides in zip(*answered, strict=True))
    gaps = [theirs.mean(axis=1) - ours.mean(axis=1) for ours, theirs in answered]
    alike = np.concatenate([each * (len(gaps[0]) / len(each)) for each in gaps])
    p = sign_flip(alike, rng)
    return Paired(benchmark=benchmark, left=left, right=right, interval=t_interval(gaps), problems=len(alike), p=p)


def _unpaired(left: BenchmarkResult, right: BenchmarkResult) -> Paired:
    """Compare two scores by Newcombe's interval, which takes its width from theirs."""
    ours, theirs = left.scores["avg"], right.scores["avg"]
    difference, error = theirs.value - ours.value, float(np.hypot(ours.spread, theirs.spread))
    low = difference - float(np.hypot(theirs.value - theirs.low, ours.high - ours.value))
    high = difference + float(np.hypot(theirs.high - theirs.value, ours.value - ours.low))
    return _by_normal(
        left.benchmark, (ours.value, theirs.value), error, (low, high), min(ours.problems, theirs.problems)
    )


def _unpaired_average(found: Sequence[Paired]) -> Paired:
    """Compare the unweighted averages from the intervals of the benchmarks."""
    left, right = float(np.mean([pair.left for pair in found])), float(np.mean([pair.right for pair in found]))
    errors = [(pair.interval.high - pair.interval.low) / (2 * Z) for pair in found]
    error = float(np.sqrt(np.sum(np.square(errors)))) / len(found)
    reach = right - left - Z * error, right - left + Z * error
    return _by_normal(AVERAGE, (left, right), error, reach, sum(pair.problems for pair in found))


def _by_normal(
    benchmark: str, sides: tuple[float, float], error: float, reach: tuple[float, float], problems: int
) -> Paired:
    left, right = sides
    interval = Interval(*reach, (Z + student(math.inf, POWER)) * error if error > 0 else float("nan"))
    p = normal_test(right - left, error)
    return Paired(benchmark=benchmark, left=left, right=right, interval=interval, problems=problems, p=p, paired=False)
