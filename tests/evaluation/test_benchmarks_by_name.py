"""Benchmarks by name, answers as published files hold them, greedy answers, and a dry run that leaves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from eval_runs import make_run
from evaluated import eval_
from shaped import held

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.benchmarks.problems import load_problems
from dra_toolkit.evaluation.benchmarks.registry import MATHS_PROMPT, REGISTRY, choose_benchmarks

pytestmark = pytest.mark.slow


HASHED = ("b21fe6e9d4a6f0f1", "0c5d2a7e91b34f68")
"""What older versions of the Hub's library put behind the number of a shard."""


def rows(path: Path, *answers: object, column: str = "problem") -> Path:
    path.write_text("".join(json.dumps({column: f"q{i}", "answer": answer}) + "\n" for i, answer in enumerate(answers)))
    return path


@pytest.mark.parametrize("name", ["aime25", "aime26", "hmmt25", "brumo25"])
def test_newer_contests_are_asked_as_the_papers_are_from_the_columns_that_are_published(name, tmp_path):
    (benchmark,) = choose_benchmarks([name])
    rows(tmp_path / f"{name}.jsonl", *range(30))
    problems = load_problems(benchmark, tmp_path)
    assert (len(problems), benchmark.n, benchmark.hash_examples) == (30, 16, None)
    assert problems[3]["query"] == MATHS_PROMPT.replace("{problem}", "q3")
    assert problems[3]["gold"] == ("3" if name.startswith("aime") else "\\boxed{3}")
    assert "not checked" in benchmark.note


def test_gpqa_is_lightevals_own_and_its_tasks_are_pointed_at():
    (benchmark,) = choose_benchmarks(["gpqa_diamond"])
    assert (benchmark.name, benchmark.kind) == ("gpqa_diamond", "task")
    with pytest.raises(EvaluationError, match=r"name one as lighteval\.tasks\.tasks\.gsm8k\.TASK$"):
        choose_benchmarks(["gsm8k"])
    with pytest.raises(EvaluationError, match="did you mean 'aime25'"):
        choose_benchmarks(["aime_25"])


@pytest.mark.parametrize(
    ("answer", "gold"), [(["$2$"], "2"), (["1", 2.0], "1, 2"), ("7", "7"), (7, "7"), (["\\frac12"], "\\frac12")]
)
def test_a_list_of_answers_is_read_as_one_gold(answer, gold, tmp_path):
    rows(tmp_path / "olympiadbench.jsonl", answer, column="question")
    (problem,) = load_problems(replace(REGISTRY["olympiadbench"], size=None), tmp_path)
    assert problem["gold"] == f"\\boxed{{{gold}}}"


@pytest.mark.parametrize("answer", [[], [None], [[]], ["2", True]])
def test_a_list_that_is_no_answer_is_refused_with_its_row(answer, tmp_path):
    rows(tmp_path / "olympiadbench.jsonl", "1", answer, column="question")
    with pytest.raises(EvaluationError, match=r"row 2: answer is .* expected a text or a number"):
        load_problems(replace(REGISTRY["olympiadbench"], size=None), tmp_path)


@pytest.fixture
def upload(tmp_path, monkeypatch):
    """Return what puts files of a data set where the Hub's own client keeps what it has downloaded; numbers: their rows."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def put(repository: str, files: dict[str, range]) -> None:
        folder = tmp_path / f"datasets--{repository.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0" * 40)
        for name, numbers in files.items():
            path = folder / "snapshots" / ("0" * 40) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.table({"problem": [f"q{i}" for i in numbers], "answer": [str(i) for i in numbers]})
            pq.write_table(table, path) if name.endswith("parquet") else rows(path, *numbers)

    return put


@pytest.mark.parametrize(
    "files",
    [
        {"data/train-00000-of-00001.parquet": range(30)},
        {f"data/train-{i:05}-of-00003.parquet": range(10 * i, 10 * i + 10) for i in range(3)},
        {"data/train-00000-of-00002.parquet": range(20), "data/train-00001-of-00002.parquet": range(20, 30)}
        | {"data/test-00000-of-00001.parquet": range(50, 99)},
        {
            f"data/train-0000{i}-of-00002-{hashed}.parquet": range(15 * i, 15 * i + 15)
            for i, hashed in enumerate(HASHED)
        },
        {"default/train/0000.parquet": range(17), "default/train/0001.parquet": range(17, 30)},
        {"train.jsonl": range(30), "contrained.jsonl": range(3)},
        {"aime_problems.jsonl": range(30)},
    ],
)
def test_an_upload_that_was_cut_anew_or_renamed_is_found_by_its_split(upload, files):
    upload("HuggingFaceH4/aime_2024", files)
    asked = load_problems(REGISTRY["aime24"])
    assert [problem["gold"] for problem in asked] == [str(i) for i in range(30)], "all of them, in their order"
    assert [problem["query"] for problem in asked] == [MATHS_PROMPT.replace("{problem}", f"q{i}") for i in range(30)]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.jsonl": range(30), "b.jsonl": range(30)}, "of its split train here (found: a.jsonl, b.jsonl)"),
        ({"train-2024.jsonl": range(30), "train-2025.jsonl": range(30)}, "found: train-2024.jsonl, train-2025.jsonl"),
        ({}, "found: none"),
        ({"data/train-00001-of-00002.parquet": range(20, 30)}, "has 10 problems, aime24 has 30"),
    ],
)
def test_an_upload_that_could_be_read_in_two_ways_or_is_not_whole_is_refused(upload, files, told):
    upload("HuggingFaceH4/aime_2024", {"README.md.jsonl.txt": range(1), **files})
    with pytest.raises(EvaluationError) as caught:
        load_problems(REGISTRY["aime24"])
    assert told in str(caught.value)


@pytest.fixture
def run(policies, benchmarks, tmp_path) -> Path:
    return make_run(tmp_path / "r", policies, benchmarks[0])


def planned(run: Path, *arguments: object) -> list[dict]:
    told = json.loads(eval_("run", run, "--all-steps", *arguments, "--dry-run", "--json").stdout)
    held("dra eval run [RUN] --dry-run", told, apart=["notes[]"])
    assert any("told apart four times in five" in line for line in told["power"])
    return told["planned"]


def test_a_dry_run_writes_nothing_needs_no_lock_and_is_json(run, benchmarks):
    import fcntl

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    events = planned(run, "--benchmark", benchmarks[0], "--n", 2)
    assert [(e["label"], e["benchmark"], e["n"], e["answers"], e["of"]) for e in events] == [
        (f"step-{step}", "sums", 2, 0, 24) for step in (0, 10, 20)
    ]
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    (run / "evals").mkdir()
    with open(run / "evals" / ".lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert planned(run, "--benchmark", benchmarks[0], "--n", 2) == events


def test_temperature_0_asks_each_problem_once(run, benchmarks):
    assert {event["n"] for event in planned(run, "--benchmark", benchmarks[0], "--temperature", 0)} == {1}
    told = eval_(
        "run", run, "--all-steps", "-b", benchmarks[0], "--temperature", 0, "--n", 4, "--dry-run", status=2
    ).stderr
    assert "would be equal; give --n 1" in told
