"""Several processes and machines for real: DDP over gloo, DeepSpeed ZeRO-2 and ZeRO-3, dead workers, stops, resume."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from ports import free_port
from waiting import wait_until, wait_until_ended

from dra_toolkit.diversity import adjust
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.launch.command import kill
from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import checkpoint_step, complete_checkpoints

TRAINING_TESTS = Path(__file__).parents[1] / "training"
sys.path.insert(0, str(TRAINING_TESTS))

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 6
max_completion_length: 12
learning_rate: 1.0e-2
max_steps: 6
save_steps: 2
seed: 3
num_processes: 2
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    import tiny

    folder = tmp_path_factory.mktemp("processes")
    data = folder / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"question": f"What is {i} + 2?", "solution": str(i + 2)}) + "\n" for i in range(64))
    )
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(policy=tiny.save_policy(folder / "policy"), data=data))
    return path


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TRAINING_TESTS), "OMP_NUM_THREADS": "1", "DRA_TEST_FOLDER": str(folder)}


def dra(recipe: Path, run: Path, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    return subprocess.Popen(
        [*command, f"output_dir={run}", *arguments],
        env=environment(folder or recipe.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    said, _ = process.communicate()
    assert process.returncode == status, said
    return said


def wait_for_step(run: Path, step: int, process: subprocess.Popen[str]) -> None:
    wait_until((run / "groups" / f"train-{step:08d}-000.parquet").exists, process)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the training processes, which start nothing themselves."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [p for p in found if "dra_toolkit.training" in p.cmdline() and "launch" not in " ".join(p.cmdline()[:4])]


def assert_rewards_follow_from_the_texts(run: Path) -> None:
    """Every recorded adjusted reward is what the recorded completions alone give, in whatever layout they were scored."""
    embedder = load_embedder(EmbedderSettings(name="hash"), device="cpu")
    records = list(Run.open(run).groups())
    assert records
    for record in records:
        vectors = embedder.embed(list(record.group.completions), None).vectors
        again = adjust(embeddings=vectors, totals=record.adjustment.totals)
        np.testing.assert_allclose(again.adjusted, record.adjustment.adjusted, atol=1e-6)


def recorded(run: Path) -> tuple[list[tuple], list[tuple]]:
    """Return every group and step that a run recorded, as comparable values."""
    opened = Run.open(run)
    groups = [
        (r.step, r.index, r.group.completions, r.adjustment.adjusted.tolist(), r.advantages.tolist())
        for r in opened.groups()
    ]
    rows = [(row["step"], row["reward"], row["loss"], row["grad_norm"]) for row in opened.metrics() if "reward" in row]
    return groups, rows


def assert_failed(process: subprocess.Popen[str]) -> str:
    """Return what a command said that failed, which names its log and the way on."""
    said = finish(process, status=1)
    assert "its whole output is in" in said
    assert "--resume" in said
    return said


def steps(run: Path) -> list[int]:
    return [row["step"] for row in Run.open(run).metrics() if "reward" in row]


def first_groups(run: Path) -> list[tuple]:
    return [(r.group.completions, r.adjustment.adjusted.tolist()) for r in Run.open(run).groups(step=1)]


@pytest.fixture(scope="module")
def plain(recipe) -> Path:
    """Two processes with no configuration named."""
    run = recipe.parent / "plain"
    finish(dra(recipe, run))
    return run


def test_groups_straddle_the_processes_and_are_adjusted_whole(plain):
    assert [r.group.completions for r in Run.open(plain).groups(step=1)]
    assert len(list(Run.open(plain).groups(step=1))) == 3  # 12 completions, 6 on each process, groups of 4
    assert json.loads((plain / "environment.json").read_text())["processes"] == 2
    assert_rewards_follow_from_the_texts(plain)


def test_with_zero3_a_dead_worker_ends_the_run_and_what_is_resumed_is_stopped_with_a_checkpoint(recipe, plain):
    run, settings = recipe.parent / "zero3", ("accelerate_config=zero3", "max_steps=4000")
    process = dra(recipe, run, *settings)
    wait_for_step(run, 3, process)
    workers(process)[-1].kill()
    assert_failed(process)
    assert first_groups(run) == first_groups(plain)
    newest = checkpoint_step(complete_checkpoints(run / "checkpoints")[-1])
    process = dra(recipe, run, *settings, "--resume")
    wait_for_step(run, newest + 2, process)
    signal_everyone(process)
    process.terminate()
    said = finish(process, status=130)
    assert f"continuing after step {newest} (attempt 2)" in said
    stopped = Run.open(run).directory.status()["step"]
    assert f"Stopped; checkpoint-{stopped} is in" in said
    assert checkpoint_step(complete_checkpoints(run / "checkpoints")[-1]) == stopped
    assert steps(run) == list(range(1, stopped + 1))
    assert_rewards_follow_from_the_texts(run)


@pytest.mark.long
def test_a_dead_agent_and_a_dead_worker_end_the_run_and_what_is_resumed_is_the_same(recipe, plain, tmp_path):
    """An agent's workers live in sessions of their own, and nobody but the launcher is left that knows them."""
    run = recipe.parent / "dead"
    settings = ("accelerate_config=ddp", "save_steps=1", "reward_funcs=[letters.endless_letters]")
    process = dra(recipe, run, *settings, folder=tmp_path)
    wait_until((tmp_path / "endless").exists, process)
    ranks = workers(process)
    (agent,) = psutil.Process(process.pid).children()
    assert len(ranks) == 2
    agent.kill()
    assert "training ended by signal 9" in assert_failed(process)
    wait_until_ended(ranks)
    assert Run.open(run).directory.status()["state"] == "failed"

    (tmp_path / "endless").unlink()
    process = dra(recipe, run, *settings, "--resume", folder=tmp_path)
    wait_until((tmp_path / "endless").exists, process)
    workers(process)[-1].kill()
    assert "continuing after step 3 (attempt 2)" in assert_failed(process)
    (run / "checkpoints/checkpoint-3/model.safetensors").unlink()  # the newest checkpoint is damaged as well

    (tmp_path / "ends").touch()
    said = finish(dra(recipe, run, *settings, "--resume", folder=tmp_path))
    assert re.search("checkpoint-3 is not complete, it lacks .*; skipped", said)
    assert "continuing after step 2 (attempt 3)" in said
    assert recorded(run) == recorded(plain)
    weights = [path / "checkpoints/checkpoint-6/model.safetensors" for path in (run, plain)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def is_python(process: psutil.Process) -> bool:
    """Tell by its program: torch's agent gives itself another name."""
    return "python" in Path(process.exe()).name


def signal_everyone(process: subprocess.Popen[str]) -> None:
    """Send SIGTERM to the Python processes that a process has started, as systemd and Slurm do to every one of a job."""
    for each in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if is_python(each):
                each.terminate()


def reach_a_long_step(process: subprocess.Popen[str], run: Path, folder: Path) -> None:
    """Wait until the reward of a step takes longer than torch's agent leaves its ranks after a signal."""
    wait_for_step(run, 2, process)
    (folder / "slow").touch()
    wait_until((folder / "reached").exists, process)


def ask_everyone(process: subprocess.Popen[str], folder: Path) -> None:
    """Ask every process to stop, in that step."""
    signal_everyone(process)
    if is_python(psutil.Process(process.pid)):
        process.terminate()
    (folder / "asked").touch()


def saved_step(process: subprocess.Popen[str], run: Path, folder: Path) -> int:
    """Return the step that a stop saved; status, exit status and what was said at the end speak of it alone."""
    said = finish(process, status=130)
    (folder / "slow").unlink()
    (folder / "asked").unlink()
    (saved,) = complete_checkpoints(run / "checkpoints")
    assert [path.name for path in (run / "checkpoints").glob("checkpoint-*")] == [saved.name]
    assert f"Stopped; {saved.name} is in" in said
    step, status = int(saved.name.split("-")[1]), Run.open(run).directory.status()
    assert (status["state"], status["step"]) == ("stopped", step)
    return step


SLOW = ("reward_funcs=[letters.slow_letters]", "save_steps=1000")
LORA = ("accelerate_config=zero2", "use_peft=true", *SLOW)
SRUN = """#!/bin/bash
# stands for Slurm's: one task for each of two machines
while [[ $1 == --* ]]; do shift; done
for node in 0 1; do SLURM_NODEID=$node "$@" & tasks+=($!); done
for task in "${tasks[@]}"; do wait "$task" || status=$?; done
exit ${status:-0}
"""


@pytest.fixture
def slurm(recipe, tmp_path) -> dict[str, str]:
    """What a job of Slurm sees, with stand-ins for srun and scontrol."""
    for name, text in {"srun": SRUN, "scontrol": "#!/bin/bash\necho 127.0.0.1\necho other\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "two", "SLURM_CPUS_PER_TASK": "2"}


def saved_by_a_signal(started: dict[Path, subprocess.Popen[str]], folders: dict[Path, Path]) -> dict[Path, int]:
    """Stop runs together in a step that is long for every one of them; return run -> the step that it saved."""
    try:
        for run, process in started.items():
            reach_a_long_step(process, run, folders[run])
        for run, process in started.items():
            ask_everyone(process, folders[run])
        return {run: saved_step(process, run, folders[run]) for run, process in started.items()}
    finally:
        for process in started.values():
            kill(process)


@pytest.mark.long
def test_a_signal_to_every_process_of_two_machines_saves_a_checkpoint(recipe, plain, slurm, tmp_path):
    run, script = tmp_path / "run", tmp_path / "job.sh"
    machines = ("num_machines=2", f"main_process_port={free_port()}", *SLOW, "max_steps=4000")
    finish(dra(recipe, run, *machines, "--slurm", str(script)))
    text = script.read_text()
    assert "#SBATCH --nodes=2\n" in text
    assert "#SBATCH --gpus-per-node=1\n" in text

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(script)],
            env=environment(tmp_path) | slurm,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    saved = saved_by_a_signal({run: start()}, {run: tmp_path})[run]
    script.write_text(text.replace("max_steps=4000", f"max_steps={saved + 1}"))
    finish(start())
    assert first_groups(run) == first_groups(plain), "two machines train as one"
    assert_rewards_follow_from_the_texts(run)
    assert steps(run) == list(range(1, saved + 2))


@pytest.mark.long
def test_a_signal_to_every_process_of_a_machine_saves_a_checkpoint_with_every_launcher(recipe, tmp_path):
    one, lora = tmp_path / "run-one", tmp_path / "run-lora"
    folders = {run: tmp_path / f"word-{run.name}" for run in (one, lora)}
    for folder in folders.values():
        folder.mkdir()
    alone = ("num_processes=1", "per_device_train_batch_size=12", *SLOW)
    saved = saved_by_a_signal(
        {
            run: dra(recipe, run, *settings, "max_steps=4000", folder=folders[run])
            for run, settings in ((one, alone), (lora, LORA))
        },
        folders,
    )[lora]
    assert (lora / f"checkpoints/checkpoint-{saved}/adapter_model.safetensors").is_file()
    said = finish(dra(recipe, lora, *LORA, f"max_steps={saved + 1}", "--resume", folder=folders[lora]))
    assert f"continuing after step {saved}" in said
    assert steps(lora) == list(range(1, saved + 2))


@pytest.mark.long
def test_an_evaluation_shows_how_far_it_is_and_ends_after_the_batch_in_which_somebody_asked(recipe, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    for name, asked in (("train", "What is"), ("test", "Held out: what is")):
        rows = [{"question": f"{asked} {i} + 2?", "solution": str(i + 2)} for i in range(48)]
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ("eval_strategy=steps", "eval_steps=2", "per_device_eval_batch_size=4", "save_steps=1000")
    reward = "reward_funcs=[letters.letters_that_wait_in_evaluation]"
    process = dra(recipe, run, f"dataset_name={data}", reward, *settings, folder=tmp_path)
    wait_until((tmp_path / "reached").exists, process)
    process.terminate()
    wait_until((run / "logs/attempt-1/stop").exists, process)
    (tmp_path / "asked").touch()
    said = finish(process, status=130)
    assert "Stopped; checkpoint-2 is in" in said
    told = [json.loads(line) for line in (run / "logs/attempt-1/events.jsonl").read_text().splitlines()]
    assert {"event": "evaluation", "done": 1, "of": 24}.items() <= next(
        e for e in told if e["event"] == "evaluation"
    ).items()
    opened = Run.open(run)
    assert [path.name for path in (run / "groups").glob("eval-*")] == ["eval-00000002-000.parquet"]
    assert [record.index for record in opened.groups(mode="eval")] == [0, 1, 2, 3]
    assert steps(run) == [1, 2]


@pytest.mark.parametrize(
    "lora", [(), pytest.param(("use_peft=true",), marks=pytest.mark.long)], ids=["whole", "adapters"]
)
def test_two_processes_go_on_as_one_and_as_two_again(recipe, plain, lora):
    run = recipe.parent / f"there_and_back{len(lora)}"
    if lora:
        finish(dra(recipe, run, *lora, "max_steps=2"))
    else:
        shutil.copytree(plain, run)  # what is left where its machine dies after the second step
        for step in (4, 6):
            shutil.rmtree(run / "checkpoints" / f"checkpoint-{step}")
    for processes, until in ((1, 4), (2, 6)):
        layout = (f"num_processes={processes}", f"per_device_train_batch_size={12 // processes}")
        finish(dra(recipe, run, *lora, *layout, f"max_steps={until}", "--resume"))
        assert json.loads((run / "environment.json").read_text())["processes"] == processes
    opened = Run.open(run)
    assert steps(run) == list(range(1, 7))
    asked = [[(r.step, r.prompt_hash) for r in each.groups()] for each in (opened, Run.open(plain))]
    assert asked[0] == asked[1], "every step has the prompts of the run that never stopped"
    assert all((run / "checkpoints" / f"checkpoint-{step}").is_dir() for step in (2, 4, 6))
    assert_rewards_follow_from_the_texts(run)


def test_another_recipe_cannot_join_and_a_dead_machine_ends_the_other(recipe):
    run = recipe.parent / "dead_machine"
    meeting = ["num_machines=2", "main_process_ip=127.0.0.1", f"main_process_port={free_port()}", "max_steps=4000"]
    first, second, other = (
        dra(recipe, run, *meeting, *changes)
        for changes in ((), ("machine_rank=1",), ("machine_rank=1", "learning_rate=0.5"))
    )
    assert "learning_rate: the run has 0.01, the recipe now says 0.5" in finish(other, status=2)
    wait_for_step(run, 2, first)
    for worker in workers(second):
        worker.kill()
    assert "machine" in finish(second, status=1)
    finish(first, status=1)
