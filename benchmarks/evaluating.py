"""Wall time of evaluating every step of a quickstart run on two benchmarks, against a process anew for each of them.

    python benchmarks/evaluating.py RUN [--problems 100] [--n 4] [--one] [--larger]

All sides generate the same samples with the same engine and metric: one command, two of them into one folder, and the loop
of a script that starts one for each checkpoint and benchmark. They differ in how often Python, lighteval and the model are
loaded. `--larger` evaluates random checkpoints of 10 million parameters in the place of the run's own of 0.13 million, whose
generation costs next to nothing. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dra_toolkit.evaluation.models.targets import targets_of_run
from dra_toolkit.evaluation.results.stored import Evaluation, find_evaluations, read_outcomes
from dra_toolkit.quickstart.task import problems
from dra_toolkit.runs.layout import RunDirectory

BARE_METRIC = """
import json, sys, time
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc
from dra_toolkit.evaluation.child.metric import open_rs_metric
pairs = json.load(sys.stdin)
metric = open_rs_metric("latex")
def score(gold, text):
    metric.compute(Doc(query="", choices=[gold], gold_index=0), ModelResponse(text=[text]))
score(*pairs[0])
started = time.process_time()
for gold, text in pairs:
    score(gold, text)
print(1000 * (time.process_time() - started) / len(pairs))
"""
LIBRARIES = "import os, transformers.models.qwen2.modeling_qwen2, lighteval.metrics.dynamic_metrics; os._exit(0)"
"""What every evaluation imports before it begins, nothing of the toolkit; taking it down again takes seconds, too."""
DRA = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "eval"]


def larger(run: Path, folder: Path) -> Path:
    """Return a copy of a run whose checkpoints and base are random models of 10 million parameters."""
    from transformers import AutoConfig, AutoModelForCausalLM

    copy = folder / run.name
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evals", "groups", "optimizer.pt"))
    checkpoints = sorted(copy.glob("checkpoints/checkpoint-*"))
    shutil.copytree(checkpoints[0], base := folder / "base")
    for path in (base, *checkpoints):
        config = AutoConfig.from_pretrained(path)
        shape = {"hidden_size": 384, "intermediate_size": 1152, "num_attention_heads": 6, "num_key_value_heads": 2}
        config.update({**shape, "num_hidden_layers": 6, "layer_types": ["full_attention"] * 6})
        AutoModelForCausalLM.from_config(config).save_pretrained(path)
    facts = copy / "resolved.json"
    facts.write_text(facts.read_text().replace(json.dumps("builtin:ways"), json.dumps(str(base))))
    return copy


def write_benchmarks(folder: Path, count: int) -> list[Path]:
    """Write two benchmarks of held-out problems."""
    rows = [{"problem": p.prompt, "answer": p.solution} for p in problems(0).held_out]
    paths = [folder / "first.jsonl", folder / "second.jsonl"]
    for path, part in zip(paths, (rows[:count], rows[count : 2 * count]), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in part))
    return paths


def timed(command: list[str]) -> float:
    """Run a command to its end; return the seconds it took."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return time.perf_counter() - started


def together(run: Path, paths: list[Path], n: int, evals: Path, processes: int) -> float:
    """Evaluate with so many commands at once, all into one folder."""
    given = ["--all-steps", "--benchmark", ",".join(map(str, paths)), *settings(n), "--output", str(evals)]
    started = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(timed, [[*DRA, str(run), *given]] * processes))
    return time.perf_counter() - started


def anew(run: Path, paths: list[Path], n: int, folder: Path) -> float:
    """Evaluate with a command for each checkpoint and benchmark."""
    total = 0.0
    for step in sorted(targets_of_run(RunDirectory(run)).targets):
        for path in paths:
            given = ["--steps", str(step), "--no-base", "--benchmark", str(path), *settings(n)]
            total += timed([*DRA, str(run), *given, "--output", str(folder / f"{step}-{path.stem}")])
    return total


def bare_metric_ms(evaluations: list[Evaluation]) -> float:
    """Return milliseconds of processor time that lighteval's metric alone takes for each of the same answers."""
    pairs = [(r["gold"], r["completion"]) for e in evaluations for r in read_outcomes(e).to_pylist()]
    command = [sys.executable, "-c", BARE_METRIC]
    ran = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, check=True)
    return float(ran.stdout)


def settings(n: int) -> list[str]:
    """Return the options that both sides share."""
    return ["--n", str(n), "--max-new-tokens", "64"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--one", action="store_true", help="measure the one command alone")
    parser.add_argument("--larger", action="store_true", help="random checkpoints of 10 million parameters")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = larger(arguments.run, folder) if arguments.larger else arguments.run
        paths = write_benchmarks(folder, arguments.problems)
        one = together(run, paths, arguments.n, folder / "evals", 1)
        two = None if arguments.one else together(run, paths, arguments.n, folder / "shared", 2)
        libraries = timed([sys.executable, "-c", LIBRARIES])
        found = find_evaluations(folder / "evals")
        seconds = [evaluation.facts["seconds"] for evaluation in found]
        working = sum(part["generation"] + part["scoring"] for part in seconds)
        samples = sum(read_outcomes(evaluation).num_rows for evaluation in found)
        loop = None if arguments.one else anew(run, paths, arguments.n, folder)
        scoring = sum(evaluation.facts["scoring_cpu_seconds"] for evaluation in found)
        report = {
            "evaluations": len(found),
            "samples": samples,
            "one_command_seconds": round(one, 1),
            "two_commands_seconds": two and round(two, 1),
            "a_process_for_each_seconds": loop and round(loop, 1),
            "ratio": loop and round(one / loop, 3),
            "ratio_of_two": loop and two and round(two / loop, 3),
            "generation_and_scoring_seconds": round(working, 1),
            "bare_import_of_libraries_seconds": round(libraries, 1),
            "outside_generation_and_scoring": round(1 - working / one, 3),
            "outside_these_and_the_import": round(1 - (working + libraries) / one, 3),
            "outside_inside_children": round(1 - working / sum(sum(part.values()) for part in seconds), 3),
            "scoring_ms_per_answer": round(1000 * scoring / samples, 2),
            "bare_metric_ms_per_answer": round(bare_metric_ms(found), 2),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
