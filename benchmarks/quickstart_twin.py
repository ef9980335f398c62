"""Quickstart against plain GRPO over several seeds: reward, similarity and distinct correct ways, from the recorded groups.

Each run is an ordinary `dra train`; a run that is already there is not trained again. Held-out problems are sampled from
the last checkpoint of each run, with the same seeds for all.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from common import RESULTS, write

from dra_toolkit.quickstart import distinct_correct_styles
from dra_toolkit.quickstart.measure import measure
from dra_toolkit.runs import Run

ROOT = Path(__file__).parents[1]
RECIPES = {"DRA-GRPO": "quickstart", "GRPO": "quickstart_grpo"}
WINDOW = 5
HELD_OUT, SAMPLES = 100, 8


def train(recipe: str, seed: int, folder: Path, overrides: list[str]) -> Path:
    """Train one run, or find it trained."""
    run = folder / f"{recipe}-{seed}"
    if not (run / "status.json").exists() or Run.open(run).directory.status()["state"] != "finished":
        dra = Path(sys.executable).with_name("dra")
        changes = [f"output_dir={run}", f"seed={seed}", *overrides]
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


def main() -> None:
    """Train, measure, and write the table and the curves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "twin")
    parser.add_argument("overrides", nargs="*", help="recipe overrides for all runs, such as embedder=minilm")
    arguments = parser.parse_args()
    result: dict[str, dict[str, object]] = {}
    for label, recipe in RECIPES.items():
        runs = [train(recipe, seed, arguments.runs, arguments.overrides) for seed in arguments.seeds]
        by_seed = [curves(run) for run in runs]
        on_held_out = [held_out(run) for run in runs]
        row: dict[str, object] = {}
        for name in by_seed[0]:
            row[f"{name}, first {WINDOW} steps"] = spread([statistics.mean(c[name][:WINDOW]) for c in by_seed])
            row[f"{name}, last {WINDOW} steps"] = spread([statistics.mean(c[name][-WINDOW:]) for c in by_seed])
        for name in on_held_out[0]:
            row[f"held out: {name}"] = spread([values[name] for values in on_held_out])
        result[label] = {"summary": row, "curves by seed": by_seed, "held out by seed": on_held_out}
    write("quickstart_twin", {"seeds": arguments.seeds, "overrides": arguments.overrides, "methods": result})
    lines = ["| | " + " | ".join(result) + " |", "| --- |" + " --- |" * len(result)]
    names = next(iter(result.values()))["summary"]
    lines += [f"| {name} | " + " | ".join(str(r["summary"][name]) for r in result.values()) + " |" for name in names]
    (RESULTS / "quickstart_twin.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
