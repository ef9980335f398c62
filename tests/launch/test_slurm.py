"""The Slurm script against stand-ins that behave as sbatch and srun do in what the script relies on."""

from __future__ import annotations

import datetime
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from dra_toolkit.launch.slurm import STOP_SECONDS, write_slurm_script

RECIPE = """
model_name_or_path: some/model
dataset_name: some/data
reward_funcs: [accuracy]
embedder: hash
num_generations: 8
per_device_train_batch_size: 8
"""
SRUN = """#!/bin/bash
echo "$@" > srun.called
exit ${STATUS:-0}
"""
SCONTROL = """#!/bin/bash
echo "$@" >> scontrol.called
echo host0
"""


def directives(script: str) -> dict[str, str]:
    """Return what sbatch reads: words after #SBATCH, up to the first command; a word that is no option ends it."""
    found = {}
    for line in script.splitlines()[1:]:
        if line and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            for word in shlex.split(line.removeprefix("#SBATCH")):
                assert word.startswith("--"), f"Invalid directive found in batch script: {word}"
                key, _, value = word.removeprefix("--").partition("=")
                found[key] = value
    return found


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def script(*overrides: str) -> str:
        path = tmp_path / "job.sh"
        path.unlink(missing_ok=True)
        write_slurm_script(path, Path("recipe.yaml"), overrides)
        return path.read_text()

    return script


@pytest.fixture
def run(tmp_path):
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(**environment: str) -> int:
        slurm = {"SLURM_JOB_NODELIST": "host0", "SLURM_CPUS_PER_TASK": "16", "SLURM_JOB_ID": "7"}
        known = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **slurm, **environment}
        return subprocess.run(["bash", "job.sh"], cwd=tmp_path, env=known, check=False).returncode

    return run


@pytest.mark.parametrize("name", ["plain", "my run", 'a "quoted" one', "100%", "back\\slash", "it's"])
def test_any_name_is_read_as_it_is(script, run, tmp_path, name):
    found = directives(script(f"output_dir={tmp_path / 'runs' / name}"))
    assert found["job-name"] == name
    assert found["output"] == f"{name.replace('%', '%%')}-%j.out"
    assert run() == 0


def test_what_is_asked_for(script):
    found = directives(script("num_machines=2", "num_processes=4"))
    assert (found["nodes"], found["gpus-per-node"], found["cpus-per-task"]) == ("2", "2", "16")
    assert found["signal"] == f"TERM@{STOP_SECONDS}"
    assert {"time", "requeue"} <= set(found)


@pytest.mark.parametrize("override", ["use_cpu=true", "model_name_or_path=builtin:ways"])
def test_a_recipe_for_a_cpu_asks_for_no_gpu(script, override):
    assert "gpus-per-node" not in directives(script(override, "num_processes=2"))


def test_the_step_gets_the_cores_of_the_job(script, run, tmp_path):
    script()
    assert run() == 0
    assert "--cpus-per-task=16" in (tmp_path / "srun.called").read_text()


@pytest.mark.parametrize(
    ("status", "left", "again"), [(130, 120, True), (130, 4000, False), (0, 120, False), (1, 120, False)]
)
def test_only_a_job_that_ran_out_of_time_is_queued_again(script, run, tmp_path, status, left, again):
    script()
    assert run(STATUS=str(status), SLURM_JOB_END_TIME=str(int(datetime.datetime.now().timestamp()) + left)) == status
    assert ("requeue 7" in (tmp_path / "scontrol.called").read_text()) == again


def test_sbatch_itself_takes_it_where_there_is_one(script, tmp_path):
    script()
    try:
        ran = subprocess.run(
            ["sbatch", "--test-only", "job.sh"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no Slurm here")
    assert "Invalid directive" not in ran.stderr
