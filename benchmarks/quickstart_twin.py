"""Quickstart, with each embedder that works offline, against plain GRPO over several seeds.

Reward, similarity and distinct correct ways come from the recorded groups. Each run is an ordinary `dra train`; a run that
is already there is not trained again. Held-out problems are sampled from each run's last checkpoint, with the same seeds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import RESULTS, write

from dra_toolkit.inspection.terminal import sparkline
from dra_toolkit.quickstart import distinct_correct_styles
from dra_toolkit.quickstart.base_model import measure
from dra_toolkit.runs import Run

ROOT = Path(__file__).parents[1]
METHODS = {
    "DRA-GRPO, hash": ("quickstart", "hash"),
    "DRA-GRPO, policy": ("quickstart", "policy"),
    "DRA-GRPO, minilm": ("quickstart", "minilm"),
    "GRPO": ("quickstart_grpo", "hash"),
}
"""Recipe and embedder of each; plain GRPO measures similarity with its embedder and does not use it."""
WINDOW = 5
HELD_OUT, SAMPLES = 100, 8
CURVE_WIDTH = 60


def train(recipe: str, embedder: str, seed: int, folder: Path) -> Path:
    """Train one run, or find it trained."""
    run = folder / f"{recipe}-{embedder}-{seed}"
    if not (run / "status.json").exists() or Run.open(run).directory.status()["state"] != "finished":
        dra = Path(sys.executable).with_name("dra")
        changes = [f"output_dir={run}", f"seed={seed}", f"embedder={embedder}"]
        subprocess.run([dra, "train", ROOT / "recipes" / f"{recipe}.yaml", *changes, "--overwrite"], check=True)
    return run


def curves(run: Path) -> dict[str, list[float]]:
    """Return reward, similarity and distinct correct ways per group, by step."""
    reader = Run.open(run)
    rows = reader.metrics()
    ways: dict[int, list[int]] = {}
    for record in reader.groups():
        prompt = record.group.prompt[-1].content
        ways.setdefault(record.step, []).append(distinct_correct_styles(record.group.completions, prompt))
    return {
        "reward": [row["reward"] for row in rows if "reward" in row],
        "similarity": [row["diversity/similarity"] for row in rows if "reward" in row],
        "distinct correct ways": [statistics.mean(values) for _, values in sorted(ways.items())],
    }


def held_out(run: Path) -> dict[str, float]:
    """Return pass@1, pass@8 and distinct correct ways of the last checkpoint on held-out problems."""
    from dataclasses import asdict

    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dra_toolkit.quickstart import problems
    from dra_toolkit.runs.checkpoints import complete_checkpoints

    checkpoint = complete_checkpoints(run / "checkpoints")[-1]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    measured = measure(model, tokenizer, problems(0).held_out[:HELD_OUT], samples=SAMPLES, seed=0)
    return {name: float(value) for name, value in asdict(measured).items()}


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def mean_curve(curves: list[list[float]]) -> str:
    """Return the mean over seeds, by step, as a line of blocks."""
    return sparkline([statistics.mean(values) for values in zip(*curves, strict=True)], CURVE_WIDTH)


def report(result: dict[str, dict[str, Any]], seeds: list[int]) -> str:
    """Return the table and the curves in Markdown."""
    lines = [f"Mean ± standard deviation over the seeds {', '.join(map(str, seeds))}.", ""]
    lines += ["| | " + " | ".join(result) + " |", "| --- |" + " --- |" * len(result)]
    for name in next(iter(result.values()))["summary"]:
        lines.append(f"| {name} | " + " | ".join(row["summary"][name] for row in result.values()) + " |")
    lines += ["", "Curves over the steps, mean over the seeds, each from its lowest to its highest value:", "", "```"]
    for method, row in result.items():
        for name in row["curves by seed"][0]:
            curves = [curves[name] for curves in row["curves by seed"]]
            lines.append(f"{method:<17} {name:<22} {mean_curve(curves)}")
    return "\n".join([*lines, "```"]) + "\n"


def main() -> None:
    """Train, measure, and write the table and the curves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "twin")
    arguments = parser.parse_args()
    result: dict[str, dict[str, Any]] = {}
    for method, (recipe, embedder) in METHODS.items():
        runs = [train(recipe, embedder, seed, arguments.runs) for seed in arguments.seeds]
        by_seed, on_held_out = [curves(run) for run in runs], [held_out(run) for run in runs]
        row = {}
        for name in by_seed[0]:
            row[f"{name}, first {WINDOW} steps"] = spread([statistics.mean(c[name][:WINDOW]) for c in by_seed])
            row[f"{name}, last {WINDOW} steps"] = spread([statistics.mean(c[name][-WINDOW:]) for c in by_seed])
        for name in on_held_out[0]:
            row[f"held out: {name}"] = spread([values[name] for values in on_held_out])
        result[method] = {"summary": row, "curves by seed": by_seed, "held out by seed": on_held_out}
    write("quickstart_twin", {"seeds": arguments.seeds, "methods": result})
    (RESULTS / "quickstart_twin.md").write_text(report(result, arguments.seeds))


if __name__ == "__main__":
    main()
