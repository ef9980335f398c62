"""Which step is the best? An honest rule does not look at the benchmarks; the tempting one flatters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dra_toolkit.evaluation.cells import Cell
from dra_toolkit.groups import Array

AROUND = 25
"""Training steps to either side over which the reward is averaged: one step's reward is mostly noise."""
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A step chosen by a rule."""

    step: int
    rule: str
    value: float
    """What the rule looked at."""
    optimism: float | None = None
    """By how much a fresh set of problems would be expected to score lower than the chosen step does here."""


def by_training_reward(steps: Sequence[int], rewards: Mapping[int, float]) -> Choice | None:
    """Return, of the evaluated steps, the one with the highest training reward around it; None if none is known.

    rewards: mean raw training reward by step. It is the rule for a report: no benchmark takes part in it.
    """
    found = [(mean, step) for step in steps if step and (mean := _around(step, rewards)) is not None]
    if not found:
        return None
    value, step = max(found, key=lambda pair: (pair[0], -pair[1]))
    return Choice(step=step, rule=f"training reward, mean of {AROUND} steps to either side", value=value)


def by_held_out(cells: Sequence[Cell], benchmark: str) -> Choice | None:
    """Return the step with the highest mean accuracy on a benchmark that is kept apart for choosing."""
    found = [(c.scores["avg"].value, c.step) for c in cells if c.benchmark == benchmark and c.step]
    if not found:
        return None
    value, step = max(found, key=lambda pair: (pair[0], -pair[1]))
    return Choice(step=step, rule=f"{benchmark}, held out for choosing", value=value)


def by_benchmarks(cells: Sequence[Cell], *, seed: int = 0) -> Choice | None:
    """Return the step with the highest average over the benchmarks themselves, and how much that flatters it.

    The optimism is found by bootstrap over problems: the best step of a resample scores higher on the problems drawn than
    on those left out. Only steps that were evaluated on every benchmark take part; None if there are fewer than two.
    """
    names = sorted({cell.benchmark for cell in cells})
    steps = sorted({cell.step for cell in cells if cell.step})
    tables = {(cell.step, cell.benchmark): cell for cell in cells}
    steps = [s for s in steps if all((s, name) in tables for name in names)]
    if len(steps) < 2:
        return None
    means = [float(np.mean([tables[s, name].scores["avg"].value for name in names])) for s in steps]
    best = int(np.argmax(means))
    return Choice(
        step=steps[best],
        rule="average over the benchmarks reported, which flatters it",
        value=means[best],
        optimism=_optimism(tables, steps, names, seed),
    )


def _optimism(
    tables: Mapping[tuple[int | None, str], Cell], steps: list[int], names: list[str], seed: int
) -> float | None:
    """Return the mean gap between drawn and left-out problems for the step that wins on the drawn ones."""
    grids: list[Array] = []
    for name in names:
        cells = [tables[step, name] for step in steps]
        if any(cell.correct is None or cell.problems != cells[0].problems for cell in cells):
            return None
        grids.append(np.stack([cell.correct.mean(axis=1) for cell in cells if cell.correct is not None]))  # (S, P)
    rng, gaps = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn, left_out = np.zeros(len(steps)), np.zeros(len(steps))
        for grid in grids:
            P = grid.shape[1]
            rows = rng.integers(0, P, size=P)
            outside = np.setdiff1d(np.arange(P), rows)
            if not len(outside):
                break
            drawn += grid[:, rows].mean(axis=1) / len(grids)
            left_out += grid[:, outside].mean(axis=1) / len(grids)
        else:
            # Every step scores alike on drawn and left-out problems but for chance; the winner has the chance on its side.
            winner = int(np.argmax(drawn))
            gaps.append((drawn - drawn.mean())[winner] - (left_out - left_out.mean())[winner])
    return float(np.mean(gaps)) if gaps else None


def _around(step: int, rewards: Mapping[int, float]) -> float | None:
    near = [value for at, value in rewards.items() if abs(at - step) <= AROUND and not np.isnan(value)]
    return float(np.mean(near)) if near else None
