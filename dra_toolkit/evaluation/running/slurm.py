"""A Slurm array job whose tasks evaluate into one folder side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.claims import shards
from dra_toolkit.evaluation.running.plan import CheckpointWork
from dra_toolkit.evaluation.settings import Engine
from dra_toolkit.launch.slurm import dra_command

MOST_TASKS = 8
CORES = 8
"""Cores for a task, which scores answers beside the generation."""


def write_array_job(path: Path, arguments: Sequence[str], rows: Sequence[CheckpointWork], engine: Engine) -> str:
    """Write the script of a `dra eval` that was given `arguments`; return what to do with it.

    Raises EvaluationError if the file is there already.
    """
    if path.exists():
        raise EvaluationError(f"--slurm: {path} exists already; choose another name or delete it")
    given = [part for i, part in enumerate(arguments) if not _is_slurm(arguments, i)]
    missing = [cell.prepared for row in rows for cell in row.missing]
    tasks = max(1, min(MOST_TASKS, sum(len(shards(range(each.answers))) for each in missing)))
    devices = f"#SBATCH --gpus-per-task={engine.tensor_parallel}\n" if engine.backend == "vllm" else ""
    script = f"""#!/bin/bash
#SBATCH --job-name=dra-eval
#SBATCH --array=0-{tasks - 1}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={CORES}
{devices}#SBATCH --time=24:00:00
#SBATCH --output=dra-eval-%A-%a.out
#SBATCH --requeue
# Set time, cores and GPUs as your cluster has them, and add what it asks for: --partition, --account.
# Every task takes shards that no other one works on until none is left, so the array may have any number of tasks, and a
# task that ends early is made up for by the others, or by submitting the script again. All must see the same files.
set -euo pipefail

# What the job needs beside this installation: module load ..., export HF_HOME=...

cd {shlex.quote(str(Path.cwd()))}
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" {shlex.join([*dra_command(), *given])}
"""
    path.write_text(script, encoding="utf-8")
    return f"wrote {path} for {tasks} tasks; look at its first lines, then: sbatch {path}"


def _is_slurm(arguments: Sequence[str], place: int) -> bool:
    before = arguments[place - 1] if place else ""
    return arguments[place].startswith("--slurm=") or "--slurm" in (arguments[place], before)
