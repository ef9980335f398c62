"""`dra eval` as a user starts it, with real children on the CPU: numbers, kill, resume, slots, failures."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from eval_runs import (
    add_checkpoint,
    answers,
    dra_eval,
    family_of,
    finish,
    generated,
    held_back,
    make_run,
    samples,
    wait_for_line,
)
from shaped import SHAPES, held
from waiting import kill_family, wait_until, wait_until_ended

from dra_toolkit.evaluation.results.stored import find_evaluations

ANSWERS = 3 * (12 + 8) * 3
"""Three models, two benchmarks, three samples of each problem."""


def asked(benchmarks: list[Path], tokens: int = 24) -> list[str]:
    given = ",".join(map(str, benchmarks))
    return ["--benchmark", given, "--n", "3", "--max-new-tokens", str(tokens), "--temperature", "1"]


@pytest.fixture(scope="module")
def run(policies, benchmarks, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("evaluated") / "r", policies, benchmarks[0])


@pytest.fixture(scope="module")
def undisturbed(run, benchmarks) -> Path:
    """The evaluations of a run on one slot, never interrupted."""
    said = finish(dra_eval(run, "--all-steps", *asked(benchmarks)))
    assert "Evaluated 6" in said
    return run / "evals"


def test_every_sample_is_kept_with_its_facts(undisturbed):
    found = find_evaluations(undisturbed)
    assert [(e.label, e.step, e.benchmark, e.facts["n"]) for e in found] == [
        (f"step-{step}", step, name, 3) for step in (0, 10, 20) for name in ("more", "sums")
    ]
    assert not [problem for e in found for problem in e.problems]
    kept = samples(undisturbed)
    assert len(kept) == ANSWERS
    assert len({row[3] for row in kept.values()}) == (12 + 8) * 3, (
        "a seed for each problem and sample, the same at every step"
    )
    golds = {row[6] for key, row in kept.items() if key[1] == "more"}
    assert golds == {f"\\boxed{{{i + 2}}}" for i in range(8)}, "answers given as numbers are read as text"
    assert any(row[1] for row in kept.values()), "some random answers are right"


def test_lighteval_files_hold_the_same_accuracy(undisturbed):
    for evaluation in find_evaluations(undisturbed):
        (results,) = (evaluation.directory / "lighteval" / "results").rglob("results_*.json")
        read = json.loads(results.read_text())
        figures = read["results"][f"{evaluation.benchmark}|0"]
        assert figures["extractive_match"] == pytest.approx(evaluation.facts["accuracy"])
        assert {"extractive_match_stderr", "pass@k:k=3&n=3"} <= set(figures)
        assert not list(evaluation.directory.rglob("*details*")), "an answer's text is kept once"
        assert not list(evaluation.directory.rglob("*.jsonl"))


def test_a_second_call_does_nothing_and_says_so(run, undisturbed, benchmarks):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    said = finish(dra_eval(run, "--all-steps", *asked(benchmarks)))
    assert "Nothing to do: 6 evaluations there already" in said
    after = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed <= {".lock", ".hashes.json"}


def test_killed_on_two_slots_and_resumed_on_three_it_has_the_numbers_of_one(run, undisturbed, benchmarks, tmp_path):
    evals = tmp_path / "evals"
    # batches of one, so that the kill falls into the middle of a benchmark
    command = (run, "--steps", "10,20", "--no-base", *asked(benchmarks), "--output", evals, "--batch-size", 1)
    with held_back(*command, shards_of="step-20"):
        process = dra_eval(*command, "--slots", 2)
        wait_until(lambda: answers(evals) > 5, process)
        kill_family(process)
    half = {path: path.read_bytes() for path in evals.glob("*/*/*/answers-*.jsonl")}
    there = sum(content.count(b"\n") for content in half.values())
    assert 5 < there < ANSWERS * 2 // 3
    torn = next(iter(half))
    torn.write_bytes(half[torn] + b'{"problem": "torn by the cra')
    finish(dra_eval(*command, "--slots", 3))
    assert generated(evals) <= ANSWERS * 2 // 3 - there + 6, "what was finished is not generated again"
    alone = samples(undisturbed)
    expected = {key: alone[key] for key in alone if key[0] != "step-0"}
    assert samples(evals) == expected, "neither interruption nor batches change an answer"


def test_answers_that_a_machine_lost_with_its_power_are_made_anew(run, undisturbed, benchmarks, tmp_path):
    """Only what is put together is synced: a shard is said to be done, in an empty file, and its answers are not there."""
    evals = tmp_path / "evals"
    command = (run, "--steps", 10, "--no-base", *asked(benchmarks[1:]), "--output", evals)
    planned = json.loads(dra_eval(*command, "--dry-run", "--json").communicate()[0])["planned"]
    claims = Path(planned[0]["folder"]) / "claims"
    claims.mkdir(parents=True)
    (claims / "00000.done").touch()
    assert "step-10: failed, is tried once more" in finish(dra_eval(*command))
    alone = samples(undisturbed)
    assert samples(evals) == {key: alone[key] for key in alone if key[:2] == ("step-10", "more")}
    assert not list(evals.rglob("claims"))


@pytest.mark.long
def test_ctrl_c_ends_every_process_and_replaced_weights_are_noticed(run, undisturbed, benchmarks, policies, tmp_path):
    evals = tmp_path / "evals"
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    replaced = copy / "checkpoints" / "checkpoint-20" / "model.safetensors"
    shutil.copyfile(policies[0] / "model.safetensors", replaced)
    command = (copy, "--all-steps", *asked(benchmarks), "--output", evals)
    shutil.copytree(undisturbed, evals)
    with held_back(*command):
        process = dra_eval(*command)
        wait_for_line(process, "step-20: loading the model")
        family = family_of(process)
        process.send_signal(signal.SIGINT)
        said = finish(process, status=130)
    assert "every finished answer is kept" in said
    wait_until_ended(family)
    said = finish(dra_eval(*command))
    assert "4 were there already" in said
    assert "Evaluated 2" in said
    newest = {e.benchmark: e for e in reversed(find_evaluations(evals)) if e.label == "step-20"}
    base = {e.benchmark: e for e in find_evaluations(evals) if e.label == "step-0"}
    for name in ("sums", "more"):
        assert newest[name].facts["accuracy"] == base[name].facts["accuracy"], "the same weights, the same numbers"


def test_a_checkpoint_that_fails_is_tried_twice_and_the_rest_goes_on(run, policies, benchmarks, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evals"))
    broken = copy / "checkpoints" / "checkpoint-10" / "config.json"
    broken.write_text(broken.read_text().replace('"qwen2"', '"nonsense"'))
    (copy / "checkpoints" / "checkpoint-20" / "model.safetensors").unlink()
    add_checkpoint(copy, 30, policies[1])
    said = finish(dra_eval(copy, "--all-steps", *asked(benchmarks[1:])), status=1)
    assert "step-10: failed, is tried once more" in said
    assert "step-10: its process ended with status 1 twice" in said
    assert "checkpoint-20: has no weights" in said
    assert "Evaluated 2" in said, "step 0 and step 30"
    assert "Traceback" not in said


@pytest.mark.long
def test_watch_evaluates_what_a_running_training_writes(run, policies, benchmarks, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evals", "checkpoint-20"))
    with open(copy / ".lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = dra_eval(copy, "--watch", "--no-base", *asked(benchmarks[1:]), "--json")
        assert process.stdout is not None
        for line in process.stdout:
            held("dra eval run [RUN]", json.loads(line), apart=SHAPES["dra eval run [RUN]"])
            if json.loads(line).get("text") == "waiting for the next checkpoint":
                break
        assert [e.label for e in find_evaluations(copy / "evals")] == ["step-10"]
        add_checkpoint(copy, 20, policies[2])
    finish(process)
    assert [e.label for e in find_evaluations(copy / "evals")] == ["step-10", "step-20"]


def test_coarse_to_fine_looks_around_the_best(run, undisturbed, benchmarks, policies, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for step in (30, 40, 50):  # the weights of step 10, so its evaluations are theirs
        add_checkpoint(copy, step, policies[1])
        shutil.copytree(copy / "evals" / "step-10", copy / "evals" / f"step-{step}")
    said = finish(dra_eval(copy, "--coarse-to-fine", 2, *asked(benchmarks)))
    assert "the best of 3; evaluating those around it" in said
    shown = {line.split()[0] for line in said.splitlines() if line.startswith("step-")}
    best = next(line for line in said.splitlines() if "is the best of 3" in line).split("step ")[1].split()[0]
    near = {10: {20}, 30: {20, 40}, 50: {40}}[int(best)]
    assert shown == {"step-0", "step-10", "step-30", "step-50"} | {f"step-{step}" for step in near}


@pytest.fixture(scope="module")
def shards(run, tmp_path_factory) -> tuple[tuple[object, ...], dict]:
    """A benchmark of five shards, the command that evaluates one step on it, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("shards")
    rows = [{"problem": f"What is {i} + 3?", "answer": str(i + 3)} for i in range(100)]
    (folder / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = (run, "--steps", "10", "--no-base", *asked([folder / "many.jsonl"], 40), "--output")
    finish(dra_eval(*command, folder / "alone"))
    return command, samples(folder / "alone")


@pytest.mark.long
def test_four_processes_evaluate_into_one_folder_and_two_of_them_die(shards, tmp_path):
    """Two of four are killed once answers are there; the others take over; plan and report work meanwhile."""
    command, alone = shards
    processes = [dra_eval(*command, tmp_path) for _ in range(4)]
    wait_until(lambda: answers(tmp_path), processes[0])
    finish(dra_eval(*command, tmp_path, "--dry-run"))
    for process in processes[:2]:
        kill_family(process)
    for process in processes[2:]:
        finish(process)
    assert len(alone) == 300
    assert samples(tmp_path) == alone
    assert not list(tmp_path.rglob("claims")), "nothing is left of who did what"
    assert not list(tmp_path.rglob("answers-*")), "an answer's text is kept once"


def test_an_array_job_is_the_command_itself(run, benchmarks, tmp_path):
    script = tmp_path / "job.sh"
    said = finish(dra_eval(run, "--all-steps", *asked(benchmarks), "--output", tmp_path / "e", "--slurm", script))
    assert "for 6 tasks; look" in said, "one for each shard"
    written = script.read_text()
    assert "--array=0-5" in written
    assert "--slurm" not in written.splitlines()[-1]
    assert f"--output {tmp_path / 'e'}" in written
    assert not (tmp_path / "e").exists(), "nothing is started"
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert "exists already" in finish(dra_eval(run, "--all-steps", *asked(benchmarks), "--slurm", script), status=2)
    one = ["--steps", "10", "--no-base", "--limit", "1", *asked(benchmarks[:1]), "--slurm", tmp_path / "one.sh"]
    assert "for 1 task; look" in finish(dra_eval(run, *one, "--output", tmp_path / "e"))


def test_a_lighteval_task_by_its_dotted_path_is_asked_and_scored_as_it_says(policies, tmp_path):
    folder = str(Path(__file__).parent)
    command = ("--model", policies[1], "--benchmark", "lab_tasks.letters", "--n", 3, "--output", tmp_path)
    finish(dra_eval(*command, "--temperature", "1", PYTHONPATH=folder))
    (found,) = find_evaluations(tmp_path)
    rows = samples(tmp_path)
    assert len(rows) == 6 * 3
    assert all(row[4] <= 8 for row in rows.values()), "its own generation_size"
    assert all(row[1] == any(letter in row[0] for letter in "eo") for row in rows.values()), "its own metric"
    assert found.facts["settings"]["max_new_tokens"] == 8


@pytest.mark.long
def test_watch_names_what_was_deleted_before_its_turn_and_ends_well(run, policies, benchmarks, tmp_path):
    """As save_total_limit=1 does while a checkpoint is evaluated: 20 came and went unseen, 40 goes when its turn comes."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evals", "checkpoint-20"))
    resolved = json.loads((copy / "resolved.json").read_text())
    resolved["settings"]["save_steps"]["value"] = 10
    (copy / "resolved.json").write_text(json.dumps(resolved))
    with open(copy / ".lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = dra_eval(copy, "--watch", "--no-base", *asked(benchmarks[1:]))
        wait_for_line(process, "step-10: loading the model")
        add_checkpoint(copy, 30, policies[1])
        (copy / "checkpoints" / "checkpoint-40").mkdir()  # being written when the watch starts, never whole
        wait_until(lambda: list(copy.glob("evals/step-30/*/*/evaluation.json")), process)
        shutil.rmtree(copy / "checkpoints" / "checkpoint-40")
    said = finish(process)
    assert "not evaluated: steps 20" in said
    assert "Hub" not in said
    assert [e.label for e in find_evaluations(copy / "evals")] == ["step-10", "step-30"]
