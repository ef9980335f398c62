"""How often the 95 % intervals of a report hold what they are about, by simulation.

    python benchmarks/interval_coverage.py [--draws 4000]

Problems are drawn from a population whose log odds are normal, with a spread of 2 between problems and 0.5 between the two
checkpoints of a comparison, as the prior of `dra eval --dry-run` has it; then their samples. Prints Markdown, in per cent:
the interval of a score (and mean ± 1.96 errors), that of a paired difference (and the percentile bootstrap over problems).
"""

from __future__ import annotations

import argparse

import numpy as np

from dra_toolkit.evaluation.statistics.intervals import Z
from dra_toolkit.evaluation.statistics.paired_tests import t_interval
from dra_toolkit.evaluation.statistics.power import PRIOR_CHECKPOINTS, PRIOR_PROBLEMS
from dra_toolkit.evaluation.statistics.scores import score

PROBLEMS, SAMPLES = (30, 40, 272), (1, 4, 16)
CENTRES = (-4.5, -2.2, 0.0)
"""Mean log odds."""
BOOTSTRAP = 400


def share(logits: np.ndarray) -> np.ndarray:
    """Return chances of log odds."""
    return 1 / (1 + np.exp(-logits))


def drawn(rng: np.random.Generator, chances: np.ndarray, n: int) -> np.ndarray:
    """Return the mean of n samples of each problem."""
    return rng.binomial(n, chances) / n


def of_a_score(
    rng: np.random.Generator, centre: float, truth: float, P: int, n: int, draws: int
) -> tuple[float, float]:
    """Return how often ours, and mean ± 1.96 errors, hold the population's accuracy."""
    held = np.zeros(2)
    for _ in range(draws):
        found = score(drawn(rng, share(centre + PRIOR_PROBLEMS * rng.standard_normal(P)), n))
        held += found.low <= truth <= found.high, abs(found.value - truth) <= Z * found.error
    return float(held[0] / draws), float(held[1] / draws)


def of_a_difference(rng: np.random.Generator, P: int, n: int, draws: int) -> tuple[float, float]:
    """Return how often Student's t, and the percentile bootstrap, hold the true difference of two equal checkpoints, 0."""
    held = np.zeros(2)
    for _ in range(draws):
        logits = PRIOR_PROBLEMS * rng.standard_normal(P)
        sides = (drawn(rng, share(logits + PRIOR_CHECKPOINTS * rng.standard_normal(P)), n) for _ in range(2))
        gaps = np.subtract(*sides)
        ours = t_interval([gaps])
        means = gaps[rng.integers(0, P, (BOOTSTRAP, P))].mean(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        held += ours.low <= 0 <= ours.high, low <= 0 <= high
    return float(held[0] / draws), float(held[1] / draws)


def row(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=4000)
    draws = parser.parse_args().draws
    rng = np.random.default_rng(0)
    heads = [f"n = {n}" for n in SAMPLES]
    print(row(["problems", "solved", *heads]), row(["---"] * 5), sep="\n")
    for P in PROBLEMS:
        for centre in CENTRES:
            solved = float(np.mean(share(centre + PRIOR_PROBLEMS * rng.standard_normal(2_000_000))))
            both = [of_a_score(rng, centre, solved, P, n, draws) for n in SAMPLES]
            print(
                row(
                    [
                        str(P),
                        f"{100 * solved:.0f} %",
                        *(f"{100 * ours:.1f} ({100 * other:.1f})" for ours, other in both),
                    ]
                )
            )
    print("", row(["problems of a comparison", *heads]), row(["---"] * 4), sep="\n")
    for P in PROBLEMS:
        both = [of_a_difference(rng, P, n, draws) for n in SAMPLES]
        print(row([str(P), *(f"{100 * ours:.1f} ({100 * other:.1f})" for ours, other in both)]))


if __name__ == "__main__":
    main()
