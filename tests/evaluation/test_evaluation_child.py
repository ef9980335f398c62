"""What happens inside a child: the metric, hostile answers, sampling. See child_lab.py."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_lab import HOSTILE
from waiting import wait_until_ended

from dra_toolkit.errors import DRAError
from dra_toolkit.evaluation.child import job, process


@pytest.fixture(scope="module")
def lab(policies, tmp_path_factory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("lab") / "results.json"
    script = Path(__file__).with_name("child_lab.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(script), str(policies[0]), str(output)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(output.read_text())


class TestMetric:
    def test_verdicts_of_the_comparison_metric(self, lab):
        assert lab["verdicts"]["correct"][:6] == [True, False, True, True, True, False]

    def test_the_judge_accepts_what_the_other_rejects_wrongly(self, lab):
        assert lab["verdicts"]["judged"][:6] == lab["verdicts"]["correct"][:6]
        assert lab["verdicts"]["judged"][6:] == [True, False, True, True, True]
        assert not all(lab["verdicts"]["correct"][6:]), "or the second column says nothing new"

    def test_parsed_answers_are_alike_for_alike_answers(self, lab):
        assert lab["verdicts"]["answer"][:2] == ["204", "205"]
        assert lab["verdicts"]["answer"][5] is None


class TestHostileAnswers:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_each_ends_within_its_bound_and_is_wrong(self, lab, name):
        score = lab["hostile"]["scores"][name]
        assert not score["correct"]
        assert score["seconds"] <= 5, "1 second of processor time, 4 until it is killed, 1 for the kernel to notice"

    def test_the_ordinary_answers_among_them_are_scored(self, lab):
        scores = lab["hostile"]["scores"]
        ordinary = [score for name, score in scores.items() if name.startswith("ordinary")]
        assert len(ordinary) == len(HOSTILE)
        assert all(score["correct"] and score["how"] == "scored" for score in ordinary)

    def test_the_first_answer_of_a_worker_does_not_pay_for_the_imports(self, lab):
        assert lab["cold"] == "scored"

    def test_some_had_to_be_stopped_or_these_are_too_harmless(self, lab):
        stopped = [name for name in HOSTILE if lab["hostile"]["scores"][name]["how"] != "scored"]
        assert len(stopped) >= 3, lab["hostile"]

    def test_what_heeds_no_exception_is_killed_and_wrong(self, lab):
        assert lab["hostile"]["killed"]["how"] == "killed"
        assert not lab["hostile"]["killed"]["correct"]


class TestSampling:
    @pytest.mark.parametrize("how", ["batches of one", "batches of seven, shuffled", "in two parts"])
    def test_answers_depend_on_their_seed_alone(self, lab, how):
        assert lab["sampling"][how]

    def test_samples_of_a_problem_differ(self, lab):
        first = lab["sampling"]["first"]
        assert sum(first[f"{i}/0"] != first[f"{i}/1"] for i in range(20)) > 15

    def test_every_answer_keeps_its_own_limit(self, lab):
        assert lab["sampling"]["limits kept"]
        assert {end for _, _, end in lab["sampling"]["first"].values()} <= {"stop", "length"}

    def test_temperature_zero_is_greedy(self, lab):
        assert lab["sampling"]["greedy is equal for both samples"]

    def test_tokens_are_drawn_with_their_probability(self, lab):
        assert lab["sampling"]["shares"] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.015)
        assert lab["sampling"]["shares top-p"] == pytest.approx([0.625, 0.375, 0, 0], abs=0.015)
        squares = [0.25, 0.09, 0.0225, 0.0025]
        assert lab["sampling"]["shares cold"] == pytest.approx([s / sum(squares) for s in squares], abs=0.015)


def test_an_adapter_is_evaluated_over_its_base(lab):
    assert lab["adapter"]["adapter"] == lab["adapter"]["merged"] != lab["adapter"]["base"]


def test_a_task_that_is_not_there_is_told_with_the_nearest(lab):
    first, second = lab["wrong"]
    assert "has nothing of this name, expected a LightevalTaskConfig; did you mean 'letters'?" in first
    assert "there is no package or module 'lab_tusks'" in second


def test_vllm_is_asked_with_a_seed_and_a_length_for_each_request(lab):
    assert lab["vllm"]["sampling"] == {
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 9,
        "seed": 77,
        "stop": None,
    }
    assert lab["vllm"]["greedy"]["top_p"] == 1.0
    assert lab["vllm"]["engine"]["tensor_parallel_size"] == 2
    assert lab["vllm"]["engine"]["max_model_len"] == 64


def _leaves_an_engine(job, tell, when_forked):
    engine = multiprocessing.get_context("fork").Process(target=signal.pause)
    engine.start()
    tell("left", process=engine.pid)
    if job["fails"]:
        raise DRAError("no such model")


def _job(fails, pipe, log):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what tests before left would be inherited
    job.run_job = _leaves_an_engine
    process.run({"fails": fails}, pipe, log, {})


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_ends_with_the_processes_of_its_engine(tmp_path, fails):
    """As vLLM's, which nothing else ends: the job would wait for them for ever."""
    here, there = multiprocessing.Pipe()
    started = multiprocessing.get_context("fork").Process(target=_job, args=(fails, there, tmp_path / "log"))
    started.start()
    events = [here.recv() for _ in range(2 + fails)]
    started.join()
    assert started.exitcode == (process.USER_MISTAKE if fails else 0)
    (left,) = [event["process"] for event in events if event["event"] == "left"]
    wait_until_ended([left])


def test_the_judge_stands_beside_the_metric_of_a_named_task_too():
    from dra_toolkit.evaluation.child.metric import judged

    asked = {"task": "lab_tasks.letters"}
    several = {"gold": "4", "choices": ["4", "5"], "gold_index": [0, 1]}
    verdicts = [judged(asked, several, text) for text in (r"\boxed{5.0}", r"\boxed{6}", "none")]
    assert verdicts == [True, False, False]
    assert judged(asked, {"gold": " B", "choices": [" A", " B"], "gold_index": 1}, r"so \boxed{B}") is True
    assert judged(asked, {"gold": "", "choices": [], "gold_index": None}, r"\boxed{6}") is None
