"""Train every arm with every seed on every variant of the task, measure it on held-out problems, and write the report.

`python benchmarks/strategies/run.py --runs runs/strategies` is resumable: a run that has finished is not trained again, and
one that was cut off goes on from its checkpoint. Every run keeps its groups: `dra inspect summary runs/strategies/...`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from arms import ARMS, TASKS, Arm
from report import report

from dra_toolkit.quickstart import Problem, accepts, problems, style_of, well_formed_answer
from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import complete_checkpoints

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HELD_OUT, SAMPLES = 200, 8
GOAL = 0.6
"""Share of correct completions whose first step is reported."""


def slug(name: str) -> str:
    """Return a folder name."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).replace("--", "-").strip("-")


def place(arm: Arm, task: str, seed: int, folder: Path) -> Path:
    """Return where the run of an arm lies."""
    return folder / f"{task}-{slug(arm.name)}-{seed}"


def is_finished(run: Path) -> bool:
    """Return whether a run was trained to its end."""
    return (run / "status.json").exists() and Run.open(run).directory.status()["state"] == "finished"


def train(arm: Arm, task: str, seed: int, folder: Path) -> Path:
    """Train one run, go on with it, or find it trained."""
    run = place(arm, task, seed, folder)
    if is_finished(run):
        return run
    settings = {**TASKS[task], **arm.settings, "seed": seed, "output_dir": str(run)}
    changes = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    again = "--resume" if run.is_dir() and complete_checkpoints(run / "checkpoints") else "--overwrite"
    dra = Path(sys.executable).with_name("dra")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(
        [dra, "train", ROOT / "recipes" / "quickstart_grpo.yaml", *changes, again],
        check=True,
        env=environment,
        cwd=ROOT,
    )
    return run


def measured(run: Path, task: str) -> dict[str, float]:
    """Return what one run reached; measured once and kept beside it."""
    kept = run / "strategies.json"
    if not kept.is_file():
        kept.write_text(json.dumps({**_held_out(run, task), **_trained(run)}))
    found: dict[str, float] = json.loads(kept.read_text())
    return found


def _held_out(run: Path, task: str) -> dict[str, float]:
    """Return pass@1, pass@8 and ways on held-out problems from the last checkpoint, by the task's own rule."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dra_toolkit.quickstart.checker import effective_styles
    from dra_toolkit.quickstart.measure import sample

    checkpoint = complete_checkpoints(run / "checkpoints")[-1]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    chosen = problems(0).held_out[:HELD_OUT]
    groups = sample(model, tokenizer, chosen, samples=SAMPLES, seed=0)
    solved = [[_is_right(text, problem, task) for text in group] for problem, group in zip(chosen, groups, strict=True)]
    ways = [
        len({style_of(text) for text, right in zip(group, rights, strict=True) if right} - {None})
        for group, rights in zip(groups, solved, strict=True)
    ]
    return {
        "pass@1": sum(map(sum, solved)) / sum(map(len, solved)),
        "pass@8": sum(map(any, solved)) / len(solved),
        "distinct correct ways of 8": sum(ways) / len(ways),
        "effective ways": effective_styles([text for group in groups for text in group]),
    }


def _is_right(text: str, problem: Problem, task: str) -> bool:
    if well_formed_answer(text) != problem.solution:
        return False
    style = style_of(text)
    return task != "hidden" or (style is not None and accepts(problem, style))


def _trained(run: Path) -> dict[str, float]:
    """Return how the recorded groups ended, and when the goal was reached."""
    rows = Run.open(run).query(
        "SELECT step, correct_share, similarity, vendi_score FROM steps WHERE mode = 'train' ORDER BY step"
    )
    steps: list[dict[str, Any]] = rows.to_pylist()
    last = steps[-5:]
    reached = next((row["step"] for row in steps if row["correct_share"] >= GOAL), None)
    return {
        "similarity, last 5 steps": sum(row["similarity"] for row in last) / len(last),
        "Vendi score, last 5 steps": sum(row["vendi_score"] for row in last) / len(last),
        f"steps to {GOAL:.0%} correct": float("nan") if reached is None else reached,
    }


def main() -> None:
    """Run what is asked for and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "strategies")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], default=[arm.name for arm in ARMS])
    parser.add_argument("--finished", action="store_true", help="train nothing, report the runs that are finished")
    arguments = parser.parse_args()
    found: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    for seed in arguments.seeds:  # seed by seed, so that what is there at any time is a whole comparison
        for task in arguments.tasks:
            for arm in (arm for arm in ARMS if arm.name in arguments.arms):
                if arguments.finished and not is_finished(place(arm, task, seed, arguments.runs)):
                    continue
                run = train(arm, task, seed, arguments.runs)
                found.setdefault(task, {}).setdefault(arm.name, {})[seed] = measured(run, task)
        report(found)


if __name__ == "__main__":
    main()
