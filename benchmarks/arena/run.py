"""Train and measure every arm of the arena: resumable, cheapest evidence first, with its cost stated before it starts.

    python benchmarks/arena/run.py --runs runs/arena                      all of it, for days on two cores
    python benchmarks/arena/run.py --runs runs/arena --stages screen:kept:2 test:kept:3 --until 22:30

A stage is `screen` or `test`, then optionally `kept`, `others` or `all` arms, and how many rates (screen, one seed) or seeds
(test). With `--share 0/4` to `--share 3/4` four processes do it together, each what it sees to do as it starts. Each run's
numbers are one line of results/runs.jsonl, appended when it ends; a run that is there is never repeated, and one that was
cut off goes on from its checkpoint. The texts stay in the runs: `dra app runs/arena`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import palindromes
from arms import ARMS, MARKS, STEPS, TASKS, TEST_SEEDS
from evaluate import PALINDROMES, evaluate
from plan import BASE, RECORDS, Job, has_base, jobs, records
from report import report

from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import complete_checkpoints

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GUESS = 150.0
"""Seconds of processor time of a run, before any was measured."""

KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""Lets glibc keep freed tensors instead of mapping fresh pages for each: a tenth less time for a model as small as this."""


def place(job: Job, folder: Path) -> Path:
    """Return where a run lies."""
    slug = "".join(c if c.isalnum() else "-" for c in job.arm.name.lower()).replace("--", "-").strip("-")
    return folder / job.task / f"{slug}-{job.rate:g}-{job.seed}"


def of_task(task: str) -> dict[str, Any]:
    """Return the settings of a task, whose data it makes in the cache where they are not there yet."""
    settings = {**TASKS[task], "model_name_or_path": str(base_model(task))}
    if task == PALINDROMES:
        settings |= {"dataset_name": str(palindromes.training_data()), "max_completion_length": 12}
    return settings


def base_model(task: str) -> Path:
    """Return the folder of the model that every run of a task starts from.

    It lies in the repository because equal seeds give equal weights on one kind of processor only.
    """
    return HERE / "bases" / ("palindromes" if task == PALINDROMES else "sums")


def base_digest(task: str) -> str:
    """Return what tells one base model from another."""
    return hashlib.sha256((base_model(task) / "model.safetensors").read_bytes()).hexdigest()[:12]


def train(job: Job, run: Path) -> None:
    """Train one run to its end, going on from its checkpoint where there is one."""
    if (run / "status.json").exists() and Run.open(run).directory.status()["state"] == "finished":
        return
    settings = {
        **of_task(job.task),
        **job.arm.settings,
        "learning_rate": job.rate,
        "max_steps": STEPS,
        "save_steps": 30,
        "seed": job.seed,
        "output_dir": str(run),
    }
    changes = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    again = "--resume" if run.is_dir() and complete_checkpoints(run / "checkpoints") else "--overwrite"
    run.parent.mkdir(parents=True, exist_ok=True)
    environment = (
        os.environ | KEEP_MEMORY | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    )
    with (run.parent / f"{run.name}.log").open("w") as log:
        subprocess.run(
            [
                *(sys.executable, "-c", "from dra_toolkit.cli import main; main()"),
                "train",
                ROOT / "recipes" / "quickstart_grpo.yaml",
                *changes,
                again,
            ],
            check=True,
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def measured(job: Job, run: Path) -> dict[str, Any]:
    """Return what a run reached, at every mark and on both parts of the held-out problems, and its reward on the way."""
    at = {}
    for mark in MARKS:
        checkpoint = run / "checkpoints" / f"checkpoint-{mark}"
        parts = ("dev", "test") if mark == MARKS[-1] else ("test",)
        at[str(mark)] = {part: _rounded(evaluate(checkpoint, job.task, part)) for part in parts}
    rows = Run.open(run).query(
        "SELECT coalesce(correct_share, positive_share) AS correct_share, similarity, vendi_score "
        "FROM steps WHERE mode = 'train' ORDER BY step"
    )
    curves = {name: _tens(rows[name].to_pylist()) for name in ("correct_share", "similarity", "vendi_score")}
    who = {"task": job.task, "arm": job.arm.name, "rate": job.rate, "seed": job.seed, "base": base_digest(job.task)}
    return {**who, "at": at, "by_ten": curves}


def measure_base(task: str) -> dict[str, Any]:
    """Return the same of the base model, as a run of no steps."""
    at = {part: _rounded(evaluate(base_model(task), task, part)) for part in ("dev", "test")}
    return {"task": task, "arm": BASE, "rate": 0.0, "seed": 0, "base": base_digest(task), "at": {"0": at}}


def _keep(record: dict[str, Any]) -> None:
    RECORDS.parent.mkdir(exist_ok=True)
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _tens(values: list[float]) -> list[float]:
    """Return the means of ten steps after ten steps."""
    return [round(sum(values[i : i + 10]) / len(values[i : i + 10]), 4) for i in range(0, len(values), 10)]


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in found.items()}


def _seconds() -> float:
    """Return the processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _say_cost(todo: list[Job], known: list[dict[str, Any]], stages: list[str]) -> None:
    seconds = [record["cpu_seconds"] for record in known if "cpu_seconds" in record]
    each = sum(seconds) / len(seconds) if seconds else GUESS
    print(
        f"{len(todo)} runs to do, {len(known)} in {RECORDS.name}; about {each:.0f} s of one core each: "
        f"{len(todo) * each / 3600:.1f} hours of one core",
        flush=True,
    )
    if any(stage.startswith("test") for stage in stages):
        most = len(ARMS) * len(TEST_SEEDS)
        print(f"a test follows what was screened: at most {most} runs, {most * each / 3600:.1f} hours more", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "arena")
    parser.add_argument("--task", choices=TASKS, default="hidden")
    parser.add_argument("--stages", nargs="+", default=["screen", "test"])
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], help="only these")
    parser.add_argument(
        "--share", default="0/1", metavar="I/N", help="every N-th run from the I-th on, for N processes"
    )
    parser.add_argument("--until", help="HH:MM after which no run is started")
    parser.add_argument("--plan", action="store_true", help="state the cost and start nothing")
    chosen = parser.parse_args()
    end = datetime.max
    if chosen.until:
        end = datetime.combine(datetime.now().date(), datetime.strptime(chosen.until, "%H:%M").time())
        end += timedelta(days=end < datetime.now() - timedelta(hours=12))

    first, shares = map(int, chosen.share.split("/"))
    known_first = records()

    def todo() -> list[Job]:
        found = jobs(known_first if shares > 1 else records(), chosen.task, chosen.stages)
        mine = [job for job in found if not chosen.arms or job.arm.name in chosen.arms][first::shares]
        left = {job.key for job in jobs(records(), chosen.task, chosen.stages)}
        return [job for job in mine if job.key in left]

    _say_cost(todo(), records(), chosen.stages)
    if not chosen.plan and not any(r["arm"] == BASE and r["task"] == chosen.task and has_base(r) for r in records()):
        _keep(measure_base(chosen.task))
    failed: set[tuple[str, str, float, int]] = set()
    while not chosen.plan and datetime.now() < end:
        left = [job for job in todo() if job.key not in failed]
        if not left:
            break
        job, began, used = left[0], time.time(), _seconds()
        print(f"{datetime.now():%H:%M:%S} {job.key}, {len(left)} left", flush=True)
        run = place(job, chosen.runs)
        try:
            train(job, run)
        except subprocess.CalledProcessError as error:
            print(f"  failed with status {error.returncode}: {run}.log", flush=True)
            failed.add(job.key)
            continue
        record = measured(job, run)
        record |= {"cpu_seconds": round(_seconds() - used, 1), "wall_seconds": round(time.time() - began, 1)}
        _keep(record)
        if shares == 1:
            report(chosen.task)


if __name__ == "__main__":
    main()
