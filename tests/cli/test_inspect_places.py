"""`dra inspect` at the edges: empty runs, steps that are not there, other modes, narrow terminals, long answers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from recorded import make_run, record, record_all
from rich.cells import cell_len
from typer.testing import CliRunner

from dra_toolkit.cli.main import app

COMMANDS = [
    ["runs"],
    ["summary", "first"],
    ["groups", "first"],
    ["groups", "first", "--steps", "1..2", "--sort", "abs_advantage_plain"],
    ["groups", "first", "--worst", "3"],
    ["group", "first", "1", "0"],
    ["prompt", "first", "prompt 0"],
    ["search", "first", "text"],
    ["near", "first", "1", "0", "0"],
    ["compare", "first", "first"],
    ["sql", "first"],
    ["sql", "first", "SELECT * FROM groups"],
]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DRA_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "runs"


@pytest.fixture
def run(root):
    directory = make_run(root / "first")
    training = [[record(step, i, G=4, seed=i) for i in range(3)] for step in (1, 2)]
    second_batch = [record(2, 0, G=4, batch=1, texts=["of the second batch"] * 4)]
    evaluation = [record(2, 0, mode="eval", texts=["of an evaluation", "b", "c"])]
    record_all(directory, *training, second_batch, evaluation)
    return directory


def inspect(*arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", [60, 80])
def test_lines_fit_the_terminal(run, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    shown, _, after = inspect(*command).stdout.partition("\nNext:")
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert after or command[0] == "sql"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] != "sql"], ids=" ".join)
def test_what_is_said_to_be_next_can_be_typed(run, command):
    """Follow each command that is offered; none may fail."""
    for line in inspect(*command).stdout.partition("\nNext:")[2].splitlines():
        words = shlex.split(line)
        if words:
            assert words[:2] == ["dra", "inspect"]
            inspect(*words[2:])


def test_other_modes_and_batches_are_named_in_what_is_next(run):
    shown = inspect("groups", "first", "--mode", "eval").stdout
    assert "first 2 0 --mode eval" in shown
    hit = inspect("search", "first", "second batch").stdout
    assert "first 2 0 --batch 1 --full" in hit
    assert "of the second batch" in inspect("group", "first", 2, 0, "--batch", 1).stdout


@pytest.mark.parametrize(
    "command",
    [
        ["groups", "empty"],
        ["groups", "empty", "--worst", 3],
        ["groups", "empty", "--step", 3],
        ["group", "empty", 1, 0],
        ["search", "empty", "x"],
        ["near", "empty", "--text", "x"],
        ["near", "empty", 1, 0, 0],
    ],
    ids=str,
)
def test_an_empty_run_is_told_in_one_line(root, command):
    make_run(root / "empty")
    told = inspect(*command, status=2).stderr
    assert told.startswith("error: empty: no train groups are recorded")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "command", [["groups", "first"], ["search", "first", "text"], ["near", "first", "--text", "x"]], ids=str
)
def test_steps_that_are_not_there_are_told_with_those_that_are(run, command):
    assert (
        "no train groups of steps 7 to 9, recorded are 1 to 2" in inspect(*command, "--steps", "7..9", status=2).stderr
    )
    assert "of steps 7 and later" in inspect(*command, "--steps", "7..", "--json", status=2).stderr


@pytest.mark.parametrize(
    "command",
    [
        ["search", "first", "\udcff"],
        ["sql", "first", "SELECT '\udcff'"],
        ["prompt", "first", "\udcff"],
        ["near", "first", "--text", "\udcff"],
    ],
    ids=ascii,
)
def test_bytes_that_are_no_text(run, command):
    assert "not UTF-8" in inspect(*command, status=2).stderr


def test_near_says_what_the_similarity_is(run, root):
    assert json.loads(inspect("near", "first", 1, 0, 0, "--json").stdout)["embedder"] == "hash"
    keeping = make_run(root / "keeping")
    record_all(keeping, [record(1, i, G=4, keep=True) for i in range(2)])
    told = json.loads(inspect("near", "keeping", 1, 1, 2, "--json").stdout)
    assert told["embedder"] == "the recorded embeddings"
    assert (told["nearest"][0]["group"], told["nearest"][0]["completion"]) == (1, 2)
    assert json.loads(inspect("near", "keeping", 1, 1, 2, "--embedder", "hash", "--json").stdout)["embedder"] == "hash"
    resolved = json.loads(keeping.resolved.read_text())
    resolved["settings"]["embedder"]["value"] = "os.system"
    keeping.resolved.write_text(json.dumps(resolved))
    shown = inspect("near", "keeping", "--text", "text 1 2").stdout
    assert "similarity by hash; os.system, the run's own, is not used here" in shown


def test_pages_of_runs(root):
    for name in ("a", "b", "c"):
        make_run(root / name)
    pages = [json.loads(inspect("runs", "--limit", 2, "--offset", at, "--json").stdout) for at in (0, 2)]
    assert sorted(row["name"] for page in pages for row in page["runs"]) == ["a", "b", "c"]
    assert {page["total"] for page in pages} == {3}
    assert "1 to 2 of 3; --offset 2 shows the next" in inspect("runs", "--limit", 2).stdout
    assert "there are 3 runs" in inspect("runs", "--offset", 9).stdout


def test_a_long_answer_is_one_json_document(run):
    rows = json.loads(inspect("sql", "first", "SELECT i, 'x' AS x FROM range(50000) t(i) ORDER BY i", "--json").stdout)[
        "rows"
    ]
    assert rows[::10_000] == [{"i": i, "x": "x"} for i in range(0, 50_000, 10_000)]
    assert json.loads(inspect("sql", "first", "SELECT step FROM steps WHERE false", "--json").stdout)["rows"] == []
    assert inspect("sql", "first", "SELECT step FROM steps WHERE false", "--csv").stdout.split() == ["step"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT rewrd FROM steps", "did you mean 'reward'"),
        ("SELECT rewards FROM texts", "it is a column of the table completions"),
        ("SELECT completion::INT FROM texts", "Conversion Error"),
        ("SELECT $1", "Values were not provided"),
        ("SELEC 1", "syntax error"),
        ("SELECT CASE WHEN i = 40000 THEN error('late') END FROM range(50000) t(i)", "late"),
    ],
)
def test_what_is_wrong_with_a_statement_is_one_line(run, statement, told):
    said = inspect("sql", "first", statement, "--json", status=2).stderr
    assert told in said
    assert said.startswith("error: SQL: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("is_compacted", [False, True])
def test_every_group_is_listed_with_its_own_prompt(run, is_compacted):
    if is_compacted:
        inspect("compact", "first")
    rows = json.loads(inspect("groups", "first", "--steps", "1..", "--sort", "reward", "--json").stdout)["groups"]
    assert len(rows) == 7
    assert [row["prompt"] for row in rows] == [f"prompt {row['index']}" for row in rows]
