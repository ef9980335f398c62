"""`dra train` as a user starts it, on the real trainer: finishing, Ctrl-C, kill -9, resume, and every refusal."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from shaped import held
from waiting import kill_family, wait_until, wait_until_ended, wait_until_used

from dra_toolkit.runs import Run, RunDirectory
from dra_toolkit.runs.checkpoints import complete_checkpoints

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
learning_rate: 1.0e-2
max_steps: 8
save_steps: 2
seed: 3
output_dir: {run}
"""
TESTS = str(Path(__file__).parent)


@pytest.fixture
def recipe(policy, tmp_path) -> Path:
    data = tmp_path / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"question": f"What is {i} + 2?", "solution": str(i + 2)}) + "\n" for i in range(64))
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(policy=policy, data=data, run=tmp_path / "run"))
    return path


def dra(*arguments: object, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": TESTS, "OMP_NUM_THREADS": "1", **options}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], *, status: int = 0) -> str:
    out, err = process.communicate()  # pytest's own limit ends what hangs; a busy machine may take long
    assert process.returncode == status, out + err
    return out + err


def wait_for_step(run: Path, step: int, process: subprocess.Popen[str] | None = None) -> None:
    wait_until((run / "groups" / f"train-{step:08d}-000.parquet").exists, process)


def essence(run: Path):
    """Return everything that a run recorded, as comparable values."""
    reader = Run.open(run)
    groups = [
        (r.step, r.batch, r.index, r.group.completions, r.adjustment.adjusted.tolist(), r.advantages.tolist())
        for r in reader.groups()
    ]
    assert reader.problems == {}
    metrics = [
        (row["step"], row.get("reward"), row.get("loss"), row.get("grad_norm"), row.get("diversity/similarity"))
        for row in reader.metrics()
        if "reward" in row
    ]
    return groups, metrics


@pytest.fixture(scope="module")
def uninterrupted(policy, tmp_path_factory):
    """The run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    data = folder / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"question": f"What is {i} + 2?", "solution": str(i + 2)}) + "\n" for i in range(64))
    )
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(policy=policy, data=data, run=folder / "run"))
    said = finish(dra("train", path))
    return folder / "run", said


class TestSeveralSeeds:
    @pytest.mark.long
    def test_they_run_one_after_another_and_know_that_they_belong_together(self, recipe):
        said = finish(dra("train", recipe, "seed=1,2", "max_steps=2"))
        places = [recipe.parent / f"run-seed-{seed}" for seed in (1, 2, 3)]
        assert "run 2 of 2" in said
        assert f"dra inspect compare {places[0]} {places[1]}" in said
        runs = [Run.open(place) for place in places[:2]]
        assert [(run.recipe["seed"], run.recipe["sweep"]) for run in runs] == [(1, "run by seed"), (2, "run by seed")]
        assert essence(places[0]) != essence(places[1])
        before = essence(places[1])
        more = finish(dra("train", recipe, "seed=1,2,3", "max_steps=2", "--resume"))
        assert more.count("is finished") == 2, "those that are there are left alone, the new one starts"
        assert essence(places[1]) == before
        assert Run.open(places[2]).recipe["sweep"] == "run by seed"


class TestFinished:
    def test_says_what_happened_and_what_to_do_next(self, uninterrupted):
        run, said = uninterrupted
        assert "Finished" in said
        assert f"dra inspect group {run} 1 0" in said

    def test_leaves_the_run_directory_of_the_docs(self, uninterrupted):
        run, _ = uninterrupted
        names = {path.name for path in run.iterdir()} - {".lock", ".launch"}
        assert names == {
            *("recipe.yaml", "resolved.json", "environment.json", "status.json", "metrics.jsonl"),
            *("groups", "checkpoints", "logs"),
        }
        assert Run.open(run).directory.status()["state"] == "finished"
        assert sorted(p.name for p in (run / "checkpoints").glob("checkpoint-*")) == [
            f"checkpoint-{s}" for s in (2, 4, 6, 8)
        ]

    def test_records_every_group_and_step(self, uninterrupted):
        groups, metrics = essence(uninterrupted[0])
        assert [group[:3] for group in groups] == [(step, 0, i) for step in range(1, 9) for i in (0, 1)]
        assert [row[0] for row in metrics] == list(range(1, 9))

    def test_a_second_start_is_refused_with_both_ways_out(self, uninterrupted):
        run, _ = uninterrupted
        said = finish(dra("train", run.parent / "recipe.yaml"), status=2)
        assert "--resume" in said
        assert "--overwrite" in said

    def test_resuming_a_finished_run_says_so(self, uninterrupted):
        run, _ = uninterrupted
        assert "is finished; raise max_steps" in finish(dra("train", run.parent / "recipe.yaml", "--resume"))

    def test_resuming_with_other_settings_is_refused(self, uninterrupted):
        run, _ = uninterrupted
        said = finish(
            dra("train", run.parent / "recipe.yaml", "learning_rate=0.5", "max_steps=9", "--resume"), status=2
        )
        assert "learning_rate: the run has 0.01, the recipe now says 0.5" in said


class TestInterrupted:
    def test_killed_at_random_moments_and_resumed_it_is_the_same_run(self, recipe, uninterrupted):
        run = recipe.parent / "run"
        choose = random.Random()
        for attempt, step in enumerate((3, 6)):
            process = dra("train", recipe, *(["--resume"] if attempt else []))
            wait_for_step(run, step, process)
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for worker in family[-1:]:
                wait_until_used(worker.pid, choose.random() * 0.2)
            before = {(r.step, r.index): r.group.completions for r in Run.open(run).groups()}
            kill_family(process)
        finish(dra("train", recipe, "--resume"))
        groups, metrics = essence(run)
        assert set(before) <= {(group[0], group[2]) for group in groups}
        assert groups == essence(uninterrupted[0])[0]
        assert metrics == essence(uninterrupted[0])[1]

    def test_a_second_signal_ends_at_once(self, recipe):
        layout = ("num_processes=2", "per_device_train_batch_size=4")
        changes = (*layout, "max_steps=5000", "save_steps=2", "reward_funcs=[letters.endless_letters]")
        process = dra("train", recipe, *changes, DRA_TEST_FOLDER=str(recipe.parent))
        wait_until((recipe.parent / "endless").exists, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert any("again to stop now" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        said = finish(process, status=130)
        (saved,) = complete_checkpoints(recipe.parent / "run/checkpoints")
        assert f"Ended at once; {saved.name} is in" in said
        assert saved.name == "checkpoint-2"
        assert RunDirectory(recipe.parent / "run").status()["state"] in ("failed", "killed")
        assert "save_steps=2" in said.split("Go on with:")[1], "the overrides belong to the command that resumes"
        wait_until_ended(workers)

    def test_a_launcher_that_vanishes_leaves_a_checkpoint_and_no_process(self, recipe):
        run = recipe.parent / "run"
        process = dra("train", recipe, "max_steps=50000", "save_steps=100")
        wait_for_step(run, 2, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        wait_until_ended(workers)
        assert Run.open(run).directory.status()["state"] == "stopped"

    def test_a_terminal_that_is_closed_leaves_a_checkpoint_and_no_process(self, recipe):
        run = recipe.parent / "run"
        code = "from dra_toolkit.cli import main; main()"
        pid, terminal = pty.fork()
        if pid == 0:
            environment = {**os.environ, "PYTHONPATH": TESTS, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-c", code, "train", str(recipe), "max_steps=50000", "save_steps=100"]
            os.execve(sys.executable, command, environment)
        wait_for_step(run, 2)
        workers = psutil.Process(pid).children(recursive=True)
        os.close(terminal)
        os.waitpid(pid, 0)
        wait_until_ended(workers)
        assert Run.open(run).directory.status()["state"] == "stopped"
        assert list((run / "checkpoints").glob("checkpoint-*"))

    def test_second_trainer_in_the_same_run_is_refused_and_leaves_its_state_alone(self, recipe):
        """By `dra train`, and by hand past the check that it makes."""
        process, run = dra("train", recipe, "max_steps=50000"), recipe.parent / "run"
        wait_for_step(run, 1, process)
        assert "is still training in this run" in finish(dra("train", recipe, "--resume"), status=2)
        assert "is still training in this run" in finish(dra("train", recipe, "--overwrite"), status=2)
        (run / "logs" / "attempt-2").mkdir()
        command = [sys.executable, "-m", "dra_toolkit.training", str(run), "--attempt", "2"]
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode == 2, second.stderr
        assert "is still training in this run" in (run / "logs" / "attempt-2" / "events.jsonl").read_text()
        assert Run.open(run).directory.status()["state"] == "running"
        process.send_signal(signal.SIGINT)
        said = finish(process, status=130)
        assert "--resume" in said
        assert Run.open(run).directory.status()["state"] == "stopped"
        assert max(int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*")) >= 1


class TestRefused:
    def refused(self, recipe, *overrides) -> str:
        said = finish(dra("train", recipe, *overrides), status=2)
        assert "Traceback" not in said
        return said

    def test_missing_column(self, recipe):
        said = self.refused(recipe, "prompt_column=qestion")
        assert "has no column 'qestion', it has question, solution; did you mean 'question'?" in said
        assert not (recipe.parent / "run").exists()  # nothing that would be in the way of the corrected one

    def test_output_dir_that_cannot_be_written(self, recipe, tmp_path):
        (tmp_path / "file").touch()
        assert "cannot be written" in self.refused(recipe, f"output_dir={tmp_path}/file/run")

    def test_output_dir_with_something_else_in_it(self, recipe, tmp_path):
        assert "is not empty and not a run" in self.refused(recipe, f"output_dir={tmp_path}")

    def test_resume_without_a_run(self, recipe):
        assert "there is no run" in self.refused(recipe, "--resume")


def test_disk_full_while_recording_does_not_stop_training(recipe):
    changes = ("max_steps=3", "save_strategy=no", "reward_funcs=[letters.letters_on_a_full_disk]")
    said = finish(dra("train", recipe, *changes))
    assert "groups cannot be written (File too large); training goes on" in said
    assert "3 generation batches could not be recorded" in said
    assert "Finished" in said


def test_bug_keeps_its_traceback_in_the_log_and_names_the_log(recipe):
    said = finish(
        dra("train", recipe, "reward_funcs=[broken.reward]", PYTHONPATH=f"{TESTS}:{_broken(recipe)}"), status=1
    )
    assert "ZeroDivisionError" in said
    assert "output.log" in said
    assert "--resume" not in said  # nothing was recorded
    assert "dra train" in said


def _broken(recipe: Path) -> Path:
    (recipe.parent / "broken.py").write_text("def reward(completions, **_):\n    return 1 / 0\n")
    return recipe.parent


def test_libraries_are_not_searched_for_garbage_while_they_load(recipe):
    """Ten searches of half a million objects, none of which ever goes, took a quarter of the way to the first token."""
    (recipe.parent / "spy.py").write_text(
        "import gc, json, pathlib\n\n\ndef reward(completions, **_):\n"
        "    told = [gc.isenabled(), gc.get_freeze_count(), gc.get_stats()[2]['collections']]\n"
        f"    pathlib.Path({str(recipe.parent / 'told.json')!r}).write_text(json.dumps(told))\n"
        "    return [float(len(completion)) for completion in completions]\n"
    )
    finish(dra("train", recipe, "reward_funcs=[spy.reward]", "max_steps=1", "save_strategy=no"))
    enabled, frozen, searches = json.loads((recipe.parent / "told.json").read_text())
    assert enabled, "training goes on with it"
    assert frozen > 200_000
    assert searches <= 3


def test_dry_run_shows_everything_and_starts_nothing(recipe):
    said = finish(dra("train", recipe, "num_processes=2", "--dry-run"))
    assert "learning_rate" in said
    assert "--num_processes 2" in said
    assert not (recipe.parent / "run").exists()


def test_several_processes_record_one_run_and_tell_of_it_in_json(recipe):
    """Through `accelerate launch`, as on a machine with several GPUs; the first process alone writes."""
    run = recipe.parent / "run"
    process = dra("train", recipe, "num_processes=2", "per_device_train_batch_size=4", "max_steps=2", "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    held("dra train RECIPE", *events, apart=["done", "problems[]"])
    steps = [event for event in events if event["event"] == "step"]
    assert [(event["step"], event["of"]) for event in steps] == [(1, 2), (2, 2)]
    assert np.isfinite([event["reward"] for event in steps]).all()
    groups, metrics = essence(run)
    assert [group[:3] for group in groups] == [(step, 0, i) for step in (1, 2) for i in (0, 1)]
    assert [row[0] for row in metrics] == [1, 2]
    assert json.loads((run / "environment.json").read_text())["processes"] == 2
