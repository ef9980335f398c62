"""The tabular twin of the task: a softmax over ways and slips instead of a model, the toolkit's own objectives, in numpy.

    python benchmarks/arena/twin.py            writes results/twin.md and twin.json in minutes
    python benchmarks/arena/twin.py --tables   writes the tables anew, from twin.json and what runs.jsonl has by now

A completion is a way and an outcome, right or one of a few slips; the policy is a table of logits of ways, and of outcomes
for each way, shared by all prompts, because no prompt shows which ways count. A prompt accepts each way with probability
1/2. What `results/runs.jsonl` has of the real task stands beside it in the last table.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from evaluate import held_out

from dra_toolkit.diversity import DiversitySettings, Signals, adjust_signals, adjusted_advantages
from dra_toolkit.quickstart import STYLES, accepts

RESULTS = Path(__file__).parent / "results"
SLIPS = 6
"""Ways to go wrong."""
SHARE, RIGHT = (0.224, 0.201, 0.178, 0.188, 0.206), (0.317, 0.572, 0.519, 0.303, 0.353)
"""How often the base model takes each way, and how often it is right then, as counted on the problems that are not the
test's. With more ways they repeat."""
FULL_RATE = (0.16, 0.05)
"""Adam's learning rates on the logits of ways and of outcomes that stand for the quickstart's 1e-3: the two numbers that
were fitted, to one run of GRPO on the real task at a fifth of that."""
MARKS, LONG = (60, 150, 300), (60, 150, 300, 1000, 3000)
RATES, GROUPS, WAYS = (0.1, 0.2, 0.5, 1.0, 2.0), (2, 4, 8, 16, 32), (2, 3, 5, 10, 20)
"""Rates are shares of the full one: those of the real task, and one beyond either end."""
Similarity = tuple[float, float]
"""Of two texts of one way, and of two ways; equal texts have 1."""
HASH: Similarity = (0.9, 0.5)
ORACLE: Similarity = (1.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class TwinArm:
    """One method in the twin."""

    measure: str = "none"
    options: dict[str, float] = field(default_factory=dict)
    scale: Any = "group"
    weights: str = "raw"
    negative_totals: str = "divide"
    zero_spread_groups: str = "adjust"
    similarity: Similarity | None = HASH
    """None is the placebo: equal texts alike, otherwise at random."""

    @property
    def settings(self) -> DiversitySettings:
        """How the toolkit adjusts; labels are always the true ways."""
        return DiversitySettings(
            measure=self.measure,
            options=self.options,
            weights=self.weights,
            negative_totals=self.negative_totals,
            zero_spread_groups=self.zero_spread_groups,
        )


def _of(measure: str, **options: float) -> TwinArm:
    return TwinArm(measure=measure, options={f"{measure}_{name}": value for name, value in options.items()})


DRA = TwinArm(measure="graph_cut")
ARMS: dict[str, TwinArm] = {
    "GRPO": TwinArm(),
    "Dr. GRPO": TwinArm(scale="none"),
    "DRA-GRPO, hash": DRA,
    "placebo": replace(DRA, similarity=None),
    "oracle labels": replace(DRA, similarity=ORACLE),
    "DRA-Dr. GRPO": replace(DRA, scale="none"),
    "DRA-Dr. GRPO, mean-one weights": replace(DRA, scale="none", weights="mean_one"),
    "robust GRPO": replace(DRA, weights="mean_one", negative_totals="multiply", zero_spread_groups="skip"),
    "MaxRL": _of("maxrl"),
    "MaxRL x graph cut": _of("maxrl_graph_cut"),
    "MaxRL x placebo": replace(_of("maxrl_graph_cut"), similarity=None),
    "MaxRL x labels": _of("maxrl_labels"),
    "MaxRL x log-probs": _of("maxrl_log_probs"),
    "differential smoothing": _of("differential_smoothing"),
    "pass@k training, k = 2": _of("pass_at_k", k=2),
    "pass@k training, k = 4": _of("pass_at_k", k=4),
    "PKPO, k = 2": _of("pkpo", k=2),
    "PKPO, k = 4": _of("pkpo", k=4),
    "Poly-EPO, k = 4": _of("poly_epo", k=4),
    "Poly-EPO, k = 4, true ways": replace(_of("poly_epo", k=4), similarity=ORACLE),
    "UCPO": _of("ucpo"),
    "unlikeliness": _of("unlikeliness"),
    "uniqueness": _of("uniqueness"),
    "leave-one-out": _of("leave_one_out"),
    "W-REINFORCE": _of("w_reinforce"),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """How long, in which groups, among how many ways, at which share of the full rate."""

    rate: float = 0.2
    steps: int = 300
    group: int = 8
    ways: int = 5
    completions: int = 128
    seeds: int = 20


class Policy:
    """Logits of one policy for each seed, with Adam."""

    def __init__(self, world: World) -> None:
        self.world = world
        right = np.resize(RIGHT, world.ways)[:, None]
        outcome = np.log(np.hstack([right, np.repeat((1 - right) / SLIPS, SLIPS, axis=1)]))
        ways = np.log(np.resize(SHARE, world.ways))
        self.logits = [np.tile(ways, (world.seeds, 1)), np.tile(outcome, (world.seeds, 1, 1))]
        self.moments = [(np.zeros_like(x), np.zeros_like(x)) for x in self.logits]

    def probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of ways, (S, W), and of outcomes in each, (S, W, 1 + slips)."""
        ways, outcomes = (np.exp(x - x.max(axis=-1, keepdims=True)) for x in self.logits)
        return ways / ways.sum(axis=-1, keepdims=True), outcomes / outcomes.sum(axis=-1, keepdims=True)

    def update(self, step: int, way: np.ndarray, outcome: np.ndarray, advantages: np.ndarray) -> None:
        """Take one step of Adam up the mean of advantage times score, gradients clipped to a norm of 1 as in training."""
        share, of_way = self.probabilities()
        seeds, count = way.shape
        A = advantages / count
        rows = np.repeat(np.arange(seeds), count)
        by_way, by_outcome = np.zeros_like(share), np.zeros_like(of_way)
        np.add.at(by_way, (rows, way.ravel()), A.ravel())
        np.add.at(by_outcome, (rows, way.ravel(), outcome.ravel()), A.ravel())
        gradients = [by_way - share * A.sum(axis=1, keepdims=True), by_outcome - of_way * by_way[..., None]]
        norm = np.sqrt(sum((g.reshape(seeds, -1) ** 2).sum(axis=1) for g in gradients))
        for place, gradient in enumerate(gradients):
            gradient = gradient / np.maximum(norm, 1.0).reshape(-1, *[1] * (gradient.ndim - 1))
            first, second = self.moments[place]
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            self.moments[place] = (first, second)
            size = FULL_RATE[place] * self.world.rate / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            self.logits[place] = self.logits[place] + size * first / (1 - 0.9**step)


def similarity_of(way: np.ndarray, outcome: np.ndarray, arm: TwinArm, rng: np.random.Generator) -> np.ndarray:
    """Return the similarity of the completions of each group, (..., G, G)."""
    same_way = way[..., :, None] == way[..., None, :]
    same = same_way & (outcome[..., :, None] == outcome[..., None, :])
    if arm.similarity is None:
        texts = way * (SLIPS + 1) + outcome
        vectors = rng.standard_normal((*way.shape[:-1], int(texts.max()) + 1, 3))
        chosen = np.take_along_axis(vectors, texts[..., None], axis=-2)
        chosen /= np.linalg.norm(chosen, axis=-1, keepdims=True)
        return np.where(same, 1.0, chosen @ np.swapaxes(chosen, -1, -2))
    return np.where(same, 1.0, np.where(same_way, *arm.similarity))


def train(arm: TwinArm, world: World, marks: Sequence[int] = MARKS) -> Iterator[tuple[int, Policy, float]]:
    """Yield the policies at the marks, and the mean reward of the ten steps before."""
    rng = np.random.default_rng(world.seeds)
    policy, settings = Policy(world), arm.settings
    shape = (world.seeds, world.completions // world.group, world.group)
    recent: list[float] = []
    for step in range(1, world.steps + 1):
        share, of_way = policy.probabilities()
        way = _drawn(share[:, None, :], rng, shape)
        seeds = np.arange(world.seeds)[:, None, None]
        outcome = _drawn(of_way[seeds, way].reshape(*shape, -1), rng, shape)
        counts = rng.random((*shape[:2], world.ways)) < 0.5
        reward = ((outcome == 0) & np.take_along_axis(counts, way, axis=-1)).astype(float)
        log_p = np.log(share[seeds, way]) + np.log(of_way[seeds, way, outcome])
        signals = Signals(
            totals=reward.reshape(-1, world.group),
            similarity=similarity_of(way, outcome, arm, rng).reshape(-1, world.group, world.group),
            labels=way.reshape(-1, world.group),
            log_probs=log_p.reshape(-1, world.group),
            lengths=np.ones((reward.size // world.group, world.group)),
        )
        advantages = adjusted_advantages(adjust_signals(signals, settings, step), arm.scale, settings)
        flat = (world.seeds, -1)
        policy.update(step, way.reshape(flat), outcome.reshape(flat), advantages.reshape(flat))
        recent = [*recent[-9:], float(reward.mean())]
        if step in marks:
            yield step, policy, float(np.mean(recent))


def _drawn(shares: np.ndarray, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw one of the last axis of shares for each place of a shape, (S, P, G)."""
    ends = np.cumsum(shares if shares.ndim == 4 else shares[:, :, None, :], axis=-1)
    chosen: np.ndarray = (rng.random(shape)[..., None] > ends[..., :-1]).sum(axis=-1)
    return chosen


@functools.cache
def masks(ways: int, part: str = "test") -> np.ndarray:
    """Return which ways count for each held-out problem, (problems, W): the real task's five, or drawn ones."""
    if ways == len(STYLES):
        return np.array([[accepts(problem, style) for style in STYLES] for problem in held_out(part)])
    return np.random.default_rng(ways).random((1000, ways)) < 0.5


def measured(policy: Policy, part: str = "test") -> dict[str, np.ndarray]:
    """Return the exact values of each seed's policy on held-out problems, (S,) each."""
    share, of_way = policy.probabilities()
    right = share * of_way[..., 0]
    counts = masks(share.shape[1], part)
    solved = right @ counts.T
    return {
        "pass@1": solved.mean(axis=1),
        "pass@8": (1 - (1 - solved) ** 8).mean(axis=1),
        "ways": ((1 - (1 - right) ** 8) @ counts.T).mean(axis=1),
        "effective": np.exp(-(share * np.log(np.maximum(share, 1e-300))).sum(axis=1)),
    }


def ceiling(ways: int) -> dict[str, float]:
    """Return what a policy without mistakes reaches that takes every way equally often."""
    a = masks(ways).sum(axis=1) / ways
    return {"pass@1": float(a.mean()), "pass@8": float((1 - (1 - a) ** 8).mean())}


Summary = dict[str, dict[str, tuple[float, float]]]
"""Mark -> measure -> mean and standard deviation over seeds."""


def summary(arm: TwinArm, world: World, marks: Sequence[int] = MARKS) -> Summary:
    """Return every measure at every mark; `dev` is the mean of pass@1 and pass@8 on the problems that are not the test's."""
    found: Summary = {}
    for step, policy, reward in train(arm, world, marks):
        dev = measured(policy, "dev")
        values = measured(policy) | {"dev": (dev["pass@1"] + dev["pass@8"]) / 2}
        found[str(step)] = {k: (float(v.mean()), float(v.std(ddof=1))) for k, v in values.items()}
        found[str(step)]["reward"] = (reward, 0.0)
    return found


def own_rate(by_rate: Mapping[str, Summary]) -> float:
    """Return the rate with the highest mean of pass@1 and pass@8 after 300 steps on the problems that are not the test's."""
    return max(RATES, key=lambda rate: by_rate[str(rate)][str(MARKS[-1])]["dev"][0])


def at_every_rate(arm: TwinArm, world: World, marks: Sequence[int]) -> dict[str, Summary]:
    """Return what an arm reaches in a world at each rate."""
    return {str(rate): summary(arm, replace(world, rate=rate), marks) for rate in RATES}


def sweep() -> dict[str, Any]:
    """Train every arm at every rate: for longer at its own; in other groups and among other ways again at every rate."""
    found: dict[str, Any] = {"rates": {}, "own": {}, "longer": {}, "group": {}, "ways": {}}
    for name, arm in ARMS.items():
        found["rates"][name] = at_every_rate(arm, World(), MARKS)
        found["own"][name] = own = own_rate(found["rates"][name])
        found["longer"][name] = summary(arm, World(rate=own, steps=LONG[-1]), LONG)
        for key, sizes in (("group", GROUPS), ("ways", WAYS)):
            of_arm = found[key].setdefault(name, {})
            for size in sizes:
                of_arm[str(size)] = at_every_rate(arm, replace(World(), **{key: size}), MARKS[-1:])
        print(f"{name}: own rate {own:g}", flush=True)
    return found


def main() -> None:
    """Run the sweeps and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", action="store_true", help="only write the tables anew")
    kept = RESULTS / "twin.json"
    if not parser.parse_args().tables:
        began = time.process_time()
        found = sweep() | {"cpu_seconds": round(time.process_time() - began, 1)}
        kept.write_text(json.dumps(_short(found)) + "\n", encoding="utf-8")
    from twin_report import write_report

    write_report(json.loads(kept.read_text(encoding="utf-8")))


def _short(value: Any) -> Any:
    """Return the same with numbers of four digits."""
    if isinstance(value, Mapping):
        return {key: _short(each) for key, each in value.items()}
    return [round(each, 4) for each in value] if isinstance(value, tuple) else value


if __name__ == "__main__":
    main()
