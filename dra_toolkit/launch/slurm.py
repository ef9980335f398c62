"""A Slurm script that trains a recipe: one task for each machine, in order to be stopped, requeued and resumed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dra_toolkit.errors import LaunchError
from dra_toolkit.recipe import Recipe, load_recipe

STOP_SECONDS = 300
"""How long before the end of its time a job is asked to save and stop."""


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
    gpus = recipe.launch.local_processes + recipe.vllm.vllm_gpus
    recipe_path = recipe_file.resolve() if recipe_file.is_file() else recipe_file
    given = [item for item in overrides if not item.startswith(("machine_rank=", "main_process_ip="))]
    command = shlex.join([*_dra(), "train", str(recipe_path), *given])
    place = ' machine_rank="$SLURM_NODEID" main_process_ip="$MAIN"' if machines > 1 else ""
    return f"""#!/bin/bash
#SBATCH --job-name={recipe.output_dir.name}
#SBATCH --nodes={machines}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --chdir={Path.cwd()}
#SBATCH --output={recipe.output_dir.name}-%j.out
#SBATCH --signal=TERM@{STOP_SECONDS}
#SBATCH --requeue
# Add what your cluster asks for: --partition, --account, --time, --cpus-per-task.
# {STOP_SECONDS} s before its time is up the job saves a checkpoint and stops; submitted again, it goes on from there.
# With several machines output_dir must lie on a file system that all of them share.
set -euo pipefail

export MAIN=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RESUME=
if [ -f {shlex.quote(str(recipe.output_dir))}/resolved.json ]; then RESUME=--resume; fi

srun --kill-on-bad-exit=0 bash -c {shlex.quote(f"exec {command}{place} $RESUME")}
"""


def _dra() -> list[str]:
    """Return the command of this installation, which need not be on the PATH of a batch job."""
    beside = Path(sys.executable).with_name("dra")
    return [str(beside)] if beside.is_file() else [sys.executable, "-c", "from dra_toolkit.cli import main; main()"]
