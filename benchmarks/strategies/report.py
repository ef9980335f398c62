"""The experiment's table: means over the seeds with intervals, and each arm against its baseline, paired by seed."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from arms import ARMS, TASKS

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, write_markdown
from plot import draw

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
PAIRED = ("pass@1", "pass@8", "distinct correct ways of 8")
RESAMPLES = 10_000
Found = Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]


def report(found: Found) -> None:
    """Write results/strategies.md and .json: task -> arm -> seed -> measure."""
    seeds = sorted({seed for arms in found.values() for by_seed in arms.values() for seed in by_seed})
    lines = [
        f"Seeds {', '.join(map(str, seeds))}. Each number is the mean over the seeds with its 95 % bootstrap interval over "
        "seeds; a difference is paired by seed, against the arm without the method: GRPO, Dr. GRPO, or GRPO with smaller "
        "steps; those with smaller steps alone against the same with usual ones. With few seeds such an interval is too "
        "narrow rather than too wide. A similarity is that of the arm's own embedder.",
        "",
        *(f"- **{arm.name}**: {arm.question}" for arm in ARMS),
    ]
    for task, arms in found.items():
        measures = list(next(iter(next(iter(arms.values())).values())))
        lines += ["", f"## {task}: {TASKS[task]['reward_funcs'][0]}", ""]
        lines += [f"| arm | {' | '.join(measures)} |", "| --- |" + " --- |" * len(measures)]
        for arm, by_seed in arms.items():
            cells = (_mean([values[measure] for values in by_seed.values()]) for measure in measures)
            lines.append(f"| {arm} | {' | '.join(cells)} |")
        lines += ["", f"| against its baseline | {' | '.join(PAIRED)} |", "| --- |" + " --- |" * len(PAIRED)]
        for arm, by_seed in arms.items():
            baseline = arms.get(_baseline(arm))
            if baseline and baseline is not by_seed:
                cells = (
                    _mean([by_seed[s][m] - baseline[s][m] for s in by_seed if s in baseline], sign=True) for m in PAIRED
                )
                lines.append(f"| {arm} | {' | '.join(cells)} |")
    for task, arms in found.items():
        title = f"{task}: each seed, mean, and 95 % interval over the seeds"
        draw(IMAGES / f"strategies-{task}.svg", title, arms)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "strategies.json").write_text(json.dumps(found, indent=1) + "\n")
    write_markdown("strategies", "What diversity-aware rewards change where ways can be counted", lines)


def _baseline(arm: str) -> str:
    """Return the arm without the method that has everything else in common; smaller steps are held against usual ones."""
    if arm in ("GRPO, smaller steps", "Dr. GRPO, smaller steps"):
        return arm.removesuffix(", smaller steps")
    if "smaller steps" in arm:
        return "GRPO, " + arm[arm.index("smaller steps") :]
    return "Dr. GRPO" if "Dr. GRPO" in arm else "GRPO"


def _mean(values: Sequence[float], *, sign: bool = False) -> str:
    """Return mean and 95 % interval; of values of which some are missing, the mean of the others and their number."""
    known = [value for value in values if value == value]
    if not known:
        return "never"
    form = "+.3f" if sign else ".3f"
    mean = format(statistics.mean(known), form)
    missing = f", {len(values) - len(known)} never" if len(known) < len(values) else ""
    if len(known) < 2:
        return mean + missing
    rng = np.random.default_rng(0)
    means = rng.choice(known, size=(RESAMPLES, len(known))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{mean} ({low:{form}} to {high:{form}}){missing}"
