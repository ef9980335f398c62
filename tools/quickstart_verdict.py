"""What the quickstart has shown, in three lines: DRA-GRPO beside its twin, plain GRPO.

`python tools/quickstart_verdict.py runs/quickstart runs/quickstart_grpo`
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from dra_toolkit.quickstart import distinct_correct_styles
from dra_toolkit.runs import Run

WINDOW = 5
"""Steps at each end of a run that are averaged."""


def ends(run: Run) -> dict[str, tuple[float, float]]:
    """Return the mean reward and the mean number of right ways in a group, at the first and at the last steps."""
    steps = run.steps("train")
    said: dict[str, list[float]] = {"reward": [], "ways": []}
    for part in (steps[:WINDOW], steps[-WINDOW:]):
        records = [record for step in part for record in run.groups(step=step)]
        ways = [
            distinct_correct_styles(record.group.completions, record.group.prompt[-1].content) for record in records
        ]
        said["reward"].append(statistics.mean(float(record.adjustment.totals.mean()) for record in records))
        said["ways"].append(statistics.mean(ways))
    return {name: (values[0], values[1]) for name, values in said.items()}


def verdict(dra: Path, plain: Path) -> list[str]:
    """Return three lines that need no knowledge of either method."""
    size = len(next(Run.open(dra).groups()).group)
    ours, theirs = ends(Run.open(dra)), ends(Run.open(plain))
    gap = ours["ways"][1] - theirs["ways"][1]
    kept = "more ways than" if gap > 0.1 else "fewer ways than" if gap < -0.1 else "about as many ways as"
    first, last = ours["reward"]
    return [
        f"Right answers: {first:.0%} before, {last:.0%} after with DRA-GRPO, {theirs['reward'][1]:.0%} with plain GRPO.",
        f"Ways to a right answer in a group of {size}: {ours['ways'][0]:.1f} before, "
        f"{ours['ways'][1]:.1f} after with DRA-GRPO, {theirs['ways'][1]:.1f} with plain GRPO.",
        f"So DRA-GRPO kept {kept} its twin. One seed is an anecdote; what many seeds say: dra docs experiment",
    ]


if __name__ == "__main__":
    print("\n".join(["", *verdict(Path(sys.argv[1]), Path(sys.argv[2])), ""]))
