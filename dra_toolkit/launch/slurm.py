"""A Slurm script that trains a recipe: one task for each machine, in order to be stopped, requeued and resumed."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dra_toolkit.errors import LaunchError
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe, load_recipe

STOP_SECONDS = 300
"""How long before the end of its time a job is asked to save and stop."""
STOPPED_STATUS = 130
"""Exit status of `dra train` that saved and stopped as asked."""
CORES = 8
"""Cores for each training process, for the loading of data and the judging of answers beside it."""


def write_slurm_script(path: Path, recipe_file: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """Write the script of the recipe that `dra train` was given, and return what is to be noted of the recipe.

    Raises LaunchError if the file is there already.
    """
    recipe = load_recipe(recipe_file, [*overrides, "main_process_ip=set-by-slurm"])
    if path.exists():
        raise LaunchError(f"--slurm: {path} exists already; choose another name or delete it")
    path.write_text(slurm_script(recipe, recipe_file, overrides), encoding="utf-8")
    return recipe.notes


def slurm_script(recipe: Recipe, recipe_file: Path, overrides: Sequence[str]) -> str:
    """Return the script; `recipe_file` and `overrides` are what `dra train` was given.

    Every machine gets the same GPUs; the vLLM server uses its share on the first one alone.
    """
    machines = recipe.launch.num_machines
    name, run = recipe.output_dir.name, shlex.quote(str(recipe.output_dir))
    recipe_path = recipe_file.resolve() if recipe_file.is_file() else recipe_file
    given = [item for item in overrides if not item.startswith(("machine_rank=", "main_process_ip="))]
    command = shlex.join([*dra_command(), "train", str(recipe_path), *given])
    place = ' machine_rank="$SLURM_NODEID" main_process_ip="$MAIN"' if machines > 1 else ""
    asked = {
        "job-name": name,
        "nodes": str(machines),
        "ntasks-per-node": "1",
        **_devices(recipe),
        "time": "24:00:00",
        "signal": f"TERM@{STOP_SECONDS}",
        "chdir": str(Path.cwd()),
        "output": f"{name.replace('%', '%%')}-%j.out",
    }
    directives = "\n".join(f"#SBATCH --{key}={_quoted(value)}" for key, value in asked.items())
    return f"""#!/bin/bash
{directives}
#SBATCH --requeue
# Set time and cores as your cluster has them, and add what it asks for: --partition, --account.
# {STOP_SECONDS} s before its time is up every process is asked to save a checkpoint and stop, after the step under way;
# the job is then queued again and goes on from there. Several machines must share the file system of output_dir.
set -euo pipefail

# What the job needs beside this installation: module load ..., export HF_HOME=...

export MAIN=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RESUME=
if [ -f {run}/resolved.json ]; then RESUME=--resume; fi

# srun takes neither the job's cores (since Slurm 22.05) nor more than one of them (since 20.11) by itself.
srun --kill-on-bad-exit=0 --cpus-per-task="$SLURM_CPUS_PER_TASK" \\
  bash -c {shlex.quote(f"exec {command}{place} $RESUME")} && status=0 || status=$?

left=$(( ${{SLURM_JOB_END_TIME:-0}} - $(date +%s) ))
if [ "$status" -eq {STOPPED_STATUS} ] && [ "$left" -gt 0 ] && [ "$left" -le {STOP_SECONDS} ]; then
  scontrol requeue "$SLURM_JOB_ID"  # stopped for want of time, and not by scancel
fi
exit "$status"
"""


def _devices(recipe: Recipe) -> dict[str, str]:
    """Return what to ask of each machine: cores for the processes, and GPUs unless the recipe trains on a CPU."""
    processes = recipe.launch.local_processes
    if recipe.launch.use_cpu or recipe.model.model_name_or_path.startswith(BUILTIN_PREFIX):
        return {"cpus-per-task": str(processes)}
    return {"cpus-per-task": str(CORES * processes), "gpus-per-node": str(processes + recipe.vllm.vllm_gpus)}


def _quoted(value: str) -> str:
    """Return a value as sbatch's own parser takes it: in double quotes where it has anything but plain signs."""
    if shlex.quote(value) == value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def dra_command() -> list[str]:
    """Return the command of this installation, which need not be on the PATH of a batch job."""
    beside = Path(sys.executable).with_name("dra")
    return [str(beside)] if beside.is_file() else [sys.executable, "-Pc", "from dra_toolkit.cli import main; main()"]
