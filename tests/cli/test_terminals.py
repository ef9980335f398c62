"""Every command in terminals that are narrow, or not of UTF-8: no word is broken, nothing ends in an error."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import FACTS, make_run, record, record_all
from rich.cells import cell_len
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.groups import GroupRecord

NAMES = {"a": "accuracy", "b b": "my_long_reward"}
COMMANDS = [
    "inspect runs",
    "inspect summary first",
    "inspect groups first",
    "inspect groups first --worst 3",
    "inspect group first 1 0",
    "inspect prompt first 'prompt 0'",
    "inspect search first text",
    "inspect near first 1 0 0",
    "inspect compare first second",
    "inspect replay first diversity=none",
    "inspect replay first negative_totals=multiply",
    "inspect weights first",
    "inspect weights",
    "inspect verify first",
    "inspect sql first",
    "audit first -e hash --labels recorded",
    "lint first",
    "recipes",
    "recipes keys diversity",
    "recipes show quickstart",
    "train quickstart --dry-run",
    "train quickstart seed=1,2 --dry-run",
    "eval report first",
    "doctor quickstart",
]
PATH = re.compile("/")
MANY = {
    "accuracy": 1.0,
    "format_of_the_answer": 2.0,
    "my_long_reward": 1.0,
    "tests_passed": 1.0,
    "brevity": 0.5,
    "total": 1.0,
}


def renamed(made: GroupRecord) -> GroupRecord:
    """Return a group whose rewards have names of the usual lengths."""
    told = {
        key: {NAMES[name]: value for name, value in getattr(made.group, key).items()}
        for key in ("rewards", "reward_weights")
    }
    return replace(made, group=replace(made.group, **told))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("terminals") / "runs"
    root.mkdir()
    for name in ("first", "second"):
        batches = [[renamed(record(step, i, G=4, seed=10 * step + i)) for i in range(3)] for step in (1, 2, 3)]
        record_all(
            make_run(root / name), *batches, facts=replace(FACTS, reward_weights=batches[0][0].group.reward_weights)
        )
    return root


def shown(root: Path, monkeypatch, command: str, width: int) -> str:
    monkeypatch.setenv("DRA_RUNS", str(root))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(root.parent)
    ran = CliRunner().invoke(app, shlex.split(command))
    assert "Traceback" not in ran.output
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.stdout + ran.stderr


@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS)
def test_no_word_is_broken_at_80_columns(root, monkeypatch, command):
    narrow, wide = (set(shown(root, monkeypatch, command, width).split()) for width in (80, 400))
    parts = narrow - wide
    broken = {word for word in wide for at in range(1, len(word)) if {word[:at], word[at:]} <= parts}
    assert {word for word in broken if not PATH.search(word)} == set()


@pytest.mark.process
@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith(("train", "recipes show"))])
def test_lines_fit_80_columns(root, monkeypatch, command):
    said = shown(root, monkeypatch, command, 80).partition("\nNext:")[0]
    long = [line for line in said.splitlines() if cell_len(line) > 80 and not PATH.search(line)]
    assert long == [] or command.startswith(("inspect verify", "audit", "lint", "doctor")), "which print one line each"


def test_a_group_with_many_rewards_is_shown_in_tables_that_fit(root, monkeypatch):
    made = record(4, 0, G=4, seed=40)
    values = next(iter(made.group.rewards.values()))
    group = replace(
        made.group, rewards=dict.fromkeys(MANY, values), reward_weights=MANY, finish_reasons=("length",) * 4
    )
    record_all(make_run(root / "many"), [replace(made, group=group)], facts=replace(FACTS, reward_weights=MANY))
    narrow, wide = (shown(root, monkeypatch, "inspect group many 4 0", width) for width in (80, 400))
    assert max(map(cell_len, narrow.partition("\nNext:")[0].splitlines())) <= 80
    assert {word for word in wide.split() if not PATH.search(word) and "──" not in word} <= set(narrow.split())
    heads = [line.split() for line in narrow.splitlines() if line.startswith(" # ")]
    assert len(heads) > 1
    assert ("accuracy" in heads[0], "adjusted" in heads[-1]) == (True, True)


@pytest.mark.parametrize("name", ["run", "run1", "runs1", "group", "sqll"])
def test_a_run_is_shown_however_its_name_is_like_a_command(root, monkeypatch, name):
    record_all(make_run(root / name), [record(1, 0, G=4)])
    for said in (name, f"runs/{name}") if name != "group" else ("runs/group",):
        assert f"{name}: " in shown(root, monkeypatch, f"inspect {said}", 80).splitlines()[0]
    assert "there is no such run" in shown(root, monkeypatch, "inspect runs/rans", 80)
    assert "Did you mean 'verify'" in shown(root, monkeypatch, "inspect verfy", 80)


DRA = [sys.executable, "-c", "from dra_toolkit.cli import main; main()"]
ELSEWHERE = [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.process
@pytest.mark.parametrize("command", ["inspect summary first", "inspect group first 1 0", "recipes", "--help"])
@pytest.mark.parametrize("terminal", ELSEWHERE, ids=["ascii", "C"])
def test_a_terminal_that_is_not_utf_8_shows_what_it_can(root, command, terminal):
    environment = {**os.environ, "DRA_RUNS": str(root), "COLUMNS": "80", **terminal}
    ran = subprocess.run([*DRA, *command.split()], env=environment, capture_output=True, cwd=root.parent, check=False)
    assert ran.returncode == 0, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert ran.stdout.isascii()
    assert len(ran.stdout) > 200


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered_and_knows_commands(shell):
    asked = {
        "_DRA_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "dra ins",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "dra ins",
    }
    script = "import sys; sys.argv[0] = 'dra'\nfrom dra_toolkit.cli import main; main()"
    environment = {**os.environ, **asked, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "inspect" in ran.stdout, ran.stderr
