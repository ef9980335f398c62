"""What lies beside the groups, of any content: the file is named, and lists, summaries and resuming go on."""

from __future__ import annotations

import json
import os

import pytest
from recorded import make_run, record, record_all
from typer.testing import CliRunner

from dra_app.context import Context
from dra_app.pages.overview.parts import run_lines
from dra_toolkit.cli.main import app
from dra_toolkit.evaluation.results.stored import read_evaluation
from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import MANIFEST, complete_checkpoints, incomplete_checkpoints, mark_complete
from dra_toolkit.runs.metrics import append_metrics, read_metrics, rewind_metrics

CONTENTS = {
    "null": b"null",
    "list": b"[]",
    "empty object": b"{}",
    "number": b"1e400",
    "half": b'{"state": "fini',
    "nothing": b"",
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "latin": '{"state": "qué"}'.encode("latin-1"),
    "zeros": bytes(100),
    "wrong types": json.dumps({"version": "x", "name": 5, "state": [], "settings": [1], "files": 5, "n": [1]}).encode(),
    "strange settings": json.dumps({"version": 1, "name": "x", "settings": {"a": {"value": 1}}}).encode(),
    "files as a list": json.dumps({"version": 1, "files": ["model.safetensors"]}).encode(),
    "strange step": b'{"step": "x"}\n{"step": null}\n{"step": 1.5}\n[]\n{"step": 7, "reward": 1.0}\n{"step": 8}\n',
}


BROKEN = {"state": "status.json", "settings": "resolved.json", "numbers": "metrics.jsonl"}
"""Run -> which of its files is broken."""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DRA_RUNS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("sound", "broken", *BROKEN):
        run = make_run(tmp_path / name)
        record_all(run, [record(1)])
        append_metrics(run.metrics, step=1, attempt=1, values={"reward": 1.0})
        run.write_status("finished", step=1)
    return tmp_path


def inspect(*arguments: object):
    ran = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert "Traceback" not in ran.output
    return ran


@pytest.mark.parametrize("content", CONTENTS)
def test_one_broken_file_hides_neither_the_run_nor_the_others(root, content):
    for run, name in BROKEN.items():
        (root / run / name).write_bytes(CONTENTS[content])
    shown = inspect("runs", root)
    assert shown.exit_code == 0
    lines = {line.run_id: line for line in run_lines(Context(root))}
    assert set(lines) == {"sound", "broken", *BROKEN}
    assert all(run in shown.stdout for run in lines)
    assert lines["sound"].problem == ""
    for run, name in BROKEN.items():
        says_nothing = (
            name == "metrics.jsonl" and b"\n" not in CONTENTS[content]
        )  # a torn line is a crash, and no damage
        assert (name in shown.output) != says_nothing
        summary = inspect("summary", root / run)
        if name != "resolved.json":
            assert summary.exit_code == 0
        assert (name in summary.output) != says_nothing
        assert bool(lines[run].problem) != says_nothing
        assert [r.step for r in Run.open(root / run).groups()] == [1]


@pytest.mark.parametrize("name", ["status.json", "metrics.jsonl"])
def test_a_pipe_is_not_waited_for(root, name):
    (root / "broken" / name).unlink()
    os.mkfifo(root / "broken" / name)
    assert "not a regular file" in inspect("summary", root / "broken").output
    assert inspect("runs", root).exit_code == 0


@pytest.mark.parametrize("content", CONTENTS)
def test_the_older_checkpoint_is_resumed_where_the_newer_one_says_nothing(tmp_path, content):
    for step in (1, 2):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "model.safetensors").write_bytes(b"weights")
        mark_complete(checkpoint)
    (tmp_path / "checkpoint-2" / MANIFEST).write_bytes(CONTENTS[content])
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-1"]
    ((path, lack),) = incomplete_checkpoints(tmp_path)
    assert path.name == "checkpoint-2"
    assert MANIFEST in lack


def test_metrics_are_rewound_over_strange_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(CONTENTS["strange step"])
    assert [row["step"] for row in read_metrics(path)] == [7, 8]
    assert rewind_metrics(path, step=7, aside=tmp_path / "aside.jsonl") == 1
    assert [row["step"] for row in read_metrics(path)] == [7]


@pytest.mark.parametrize("content", CONTENTS)
def test_an_evaluation_of_any_content_is_told(tmp_path, content):
    (tmp_path / "evaluation.json").write_bytes(CONTENTS[content])
    found = read_evaluation(tmp_path)
    assert found.problems


@pytest.mark.parametrize("question", [("sql", "SELECT step FROM steps"), ("groups",), ("search", "text")])
def test_a_damaged_file_of_groups_is_told_by_whatever_leaves_it_out(root, question):
    (file,) = (root / "broken" / "groups").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-200])
    ran = inspect(question[0], root / "broken", *question[1:])
    assert f"groups/{file.name} is left out: " in ran.stderr
    assert "is left out" not in inspect(question[0], root / "sound", *question[1:]).stderr
