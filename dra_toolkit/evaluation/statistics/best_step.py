"""Which step is the best? An honest rule does not look at the benchmarks; the tempting one flatters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.statistics.scores import average
from dra_toolkit.groups import Array

AROUND = 25
"""Training steps to either side over which the reward is averaged, at most: one step's reward is mostly noise."""
PART = 8
"""Of a short run no more than this part of its steps to either side, or all steps would have the same mean."""
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A step chosen by a rule."""

    step: int
    label: str = ""
    """The row that it is."""
    experiment: str = ""
    """What it is a step of; empty where there is only one."""
    rule: str
    value: float
    """What the rule looked at."""
    honest: bool = True
    """Whether the rule leaves the benchmarks reported out."""
    optimism: float | None = None
    """By how much a fresh set of problems would be expected to score lower than the chosen step does here."""
    optimism_at_most: float | None = None
    """The same if all steps were equally good, from the error bars alone; where the solved problems are not known."""


def by_training_reward(steps: Sequence[int], rewards: Mapping[int, float]) -> Choice | None:
    """Return, of the evaluated steps, the one with the highest training reward around it; None if none is known.

    rewards: mean raw training reward by step. It is the rule for a report: no benchmark takes part in it.
    """
    around = min(AROUND, max(1, max(steps, default=0) // PART))
    known = {at: value for at, value in rewards.items() if not math.isnan(value)}
    near = {step: [value for at, value in known.items() if abs(at - step) <= around] for step in steps if step}
    found = [(float(np.mean(values)), step) for step, values in near.items() if values]
    if not found:
        return None
    value, step = max(found, key=lambda pair: (pair[0], -pair[1]))
    return Choice(step=step, rule=f"training reward, mean of {around} steps to either side", value=value)


def by_held_out(cells: Sequence[BenchmarkResult], benchmark: str) -> Choice | None:
    """Return the step with the highest mean accuracy on a benchmark that is kept apart for choosing."""
    found = [cell for cell in cells if cell.benchmark == benchmark and cell.step and "avg" in cell.scores]
    if not found:
        return None
    best = max(found, key=lambda cell: (cell.scores["avg"].value, -(cell.step or 0)))
    return Choice(**_named(best), rule=f"{benchmark}, held out for choosing", value=best.scores["avg"].value)


def by_benchmarks(cells: Sequence[BenchmarkResult], *, seed: int = 0) -> Choice | None:
    """Return the step with the highest average over the benchmarks themselves, and how much that flatters it.

    A candidate is a step of an experiment: a row, known by its label. Only those that were evaluated on every benchmark take
    part; None if there are fewer than two.
    """
    names = sorted({cell.benchmark for cell in cells})
    tables = {(cell.label, cell.benchmark): cell for cell in cells if "avg" in cell.scores and cell.step}
    whole = {cell.label: cell for cell in tables.values() if all((cell.label, name) in tables for name in names)}
    rows = sorted(whole.values(), key=lambda cell: (cell.step or 0, cell.label))
    if len(rows) < 2:
        return None
    means = [average([tables[row.label, name].scores["avg"] for name in names]) for row in rows]
    best = int(np.argmax([mean.value for mean in means]))
    grids = [_grid([tables[row.label, name] for row in rows]) for name in names]
    known = [grid for grid in grids if grid is not None]
    bound = float(np.mean([mean.spread for mean in means])) * expected_best(len(rows))
    return Choice(
        **_named(rows[best]),
        rule="mean accuracy over the benchmarks reported, which flatters it",
        value=means[best].value,
        honest=False,
        optimism=optimism(known, seed=seed) if len(known) == len(grids) else None,
        optimism_at_most=None if len(known) == len(grids) or np.isnan(bound) else bound,
    )


def optimism(grids: Sequence[Array], *, seed: int = 0) -> float | None:
    """Return by how much the step that scores highest is expected to be flattered by having been chosen so.

    grids: for each benchmark the mean of each problem's samples, (S, P), of the same S steps on the same P problems.

    By bootstrap over problems: the step that wins on the problems drawn leads the other steps there by more than on the
    problems left out. The mean of a draw varies by chance sqrt(2) times as much as that of the problems themselves, since
    many are drawn twice, and the flattery grows alike, hence the division. None where all problems were always drawn.
    """
    rng, gaps = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn, left_out = np.zeros(len(grids[0])), np.zeros(len(grids[0]))
        for grid in grids:
            P = grid.shape[1]
            counts = np.bincount(rng.integers(0, P, size=P), minlength=P)
            outside = counts == 0
            if not outside.any():
                break
            drawn += grid @ counts / (P * len(grids))
            left_out += grid @ outside / (outside.sum() * len(grids))
        else:
            winner = int(np.argmax(drawn))
            gaps.append((drawn - drawn.mean())[winner] - (left_out - left_out.mean())[winner])
    return float(np.mean(gaps)) / math.sqrt(2) if gaps else None


def expected_best(steps: int) -> float:
    """Return the expected highest of so many independent standard normal values: 0 of one, 0.564 of two, 1.42 of eight."""
    from scipy.integrate import quad
    from scipy.stats import norm

    return float(quad(lambda x: 1 - norm.cdf(x) ** steps - norm.cdf(-x) ** steps, 0, 10)[0])


def _named(cell: BenchmarkResult) -> dict[str, Any]:
    return {"step": cell.step or 0, "label": cell.label, "experiment": cell.experiment}


def _grid(cells: Sequence[BenchmarkResult]) -> Array | None:
    """Return (S, P), or None unless all cells know which of the same problems were solved."""
    if any(cell.correct is None or cell.problems != cells[0].problems for cell in cells):
        return None
    return np.stack([cell.correct.mean(axis=1) for cell in cells if cell.correct is not None])
