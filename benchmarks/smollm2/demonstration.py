"""Turn two finished runs of the recipe `smollm2` into what `dra app --demo` shows.

    python benchmarks/smollm2/demonstration.py GRPO_RUN DRA_RUN [--out app/dra_app/demonstration]

Every number and text that was recorded is kept, under the settings of the shipped recipe instead of this machine's paths;
what `evaluate.py --keep RUN/heldout-STEP.jsonl` left becomes an evaluation of that step.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

from evaluate import NEW_TOKENS, TOP_K, kept

from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, write_outcomes
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Recorder, Run, RunDirectory
from dra_toolkit.runs.compaction import compact

ROOT = Path(__file__).parents[2]
NAMES = {"none": "smollm2-grpo", "graph_cut": "smollm2-dra-grpo"}
BENCHMARK = "sums"


def pack(source: Path, out: Path) -> None:
    """Write one run anew, without checkpoints and logs."""
    old = Run.open(source)
    measure = old.recipe["diversity"]
    name = NAMES[measure]
    changed = [f"diversity={measure}", f"output_dir=runs/{name}", f"max_steps={old.steps()[-1]}"]
    run = RunDirectory(out / name)
    shutil.rmtree(run.path, ignore_errors=True)
    run.create(load_recipe("smollm2", changed))
    said = run.resolved.read_text(encoding="utf-8").replace(f"{ROOT}/", "")
    run.resolved.write_text(said, encoding="utf-8")
    run.start_attempt()
    for file in (old.directory.environment, old.directory.metrics, old.directory.status_file):
        shutil.copyfile(file, run.path / file.name)
    (facts,) = old.facts()
    recorder = Recorder(run.groups, dataclasses.replace(facts, run=name), tell=print)
    for step in old.steps():
        recorder.submit(list(old.groups(step=step)))
    recorder.close()
    compact(run.groups, everything=True, grace=0)
    for file in sorted(source.glob("heldout-*.jsonl")):
        _evaluation(file, run.path / "evals", name, int(file.stem.removeprefix("heldout-")))


def _evaluation(file: Path, evals: Path, run: str, step: int) -> None:
    place = {"label": f"step-{step}", "run": run, "step": step, "model": run, "benchmark": BENCHMARK}
    rows = []
    problems = kept(file)
    for index, row in enumerate(problems):
        for number, (text, score, tokens) in enumerate(zip(row["texts"], row["scores"], row["tokens"], strict=True)):
            told = {"problem": row["problem"], "problem_index": index, "sample": number, "seed": 0, "answer": text}
            told |= {"correct": score == 1.0, "gold": row["solution"], "completion": text, "tokens": tokens}
            rows.append(place | told | {"finish_reason": "stop" if tokens < NEW_TOKENS else "length"})
    key = f"{step:016x}"
    folder = evals / f"step-{step}" / BENCHMARK / key
    folder.mkdir(parents=True)
    settings = {"temperature": 1.0, "top_k": TOP_K, "max_new_tokens": NEW_TOKENS}
    facts = {"key": key, "n": len(problems[0]["texts"]), "settings": settings, "problems": len(problems)}
    write_outcomes(folder / OUTCOMES_FILE, rows, place | facts | {"metric": "last_number"})


def main() -> None:
    """Pack both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs=2)
    parser.add_argument("--out", type=Path, default=ROOT / "app" / "dra_app" / "demonstration")
    chosen = parser.parse_args()
    for run in chosen.runs:
        pack(run, chosen.out)
    files = [path for path in chosen.out.rglob("*") if path.is_file()]
    told = {"files": len(files), "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 2)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
