"""Whatever is typed for a name is only a name that is not there: told in one short line that a terminal shows as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.errors import LONGEST, DRAError
from dra_toolkit.recipe import load_recipe

NAMES = {
    "long": "9" * 5_000,
    "words": "no such " * 600,
    "right to left": "\u202e" * 400,
    "shows nothing": "\u200b" * 400,
    "tags": "\U000e0041" * 400,
    "separators": "\u2028\u2029\x85\x1c" * 80,
    "escapes": "\x1b[31m" * 100,
    "undecodable": "\udcff" * 300,
    "combining": "e" + "\u0301" * 900,
}
COMMANDS = {
    "reward": ("train", "quickstart", "--dry-run", "reward_funcs={}"),
    "data": ("train", "quickstart", "--dry-run", "dataset_name={}"),
    "model": ("train", "quickstart", "--dry-run", "model_name_or_path={}"),
    "recipe": ("train", "{}", "--dry-run"),
    "key": ("train", "quickstart", "{}=1"),
    "word": ("train", "quickstart", "{}"),
    "setting": ("train", "quickstart", "--{}", "1"),
    "sweep": ("train", "quickstart", "--sweep", "{}"),
    "config": ("train", "--config", "{}"),
    "shown recipe": ("recipes", "show", "{}"),
    "run": ("inspect", "summary", "{}"),
    "run or question": ("inspect", "{}"),
    "run of eval": ("eval", "{}", "--dry-run"),
    "benchmark": ("eval", "quickstart", "--benchmark", "{}", "--dry-run"),
    "report": ("eval", "report", "{}"),
    "compared": ("eval", "compare", "{}", "{}"),
    "runs": ("app", "{}"),
    "command": ("{}",),
    "option": ("inspect", "summary", "--{}"),
    "option of all": ("--{}", "inspect"),
    "choice": ("inspect", "export", "run", "out", "--to", "{}"),
}
MAY_BE_RIGHT = ("data", "model", "benchmark")  # a name on the Hub is checked by nobody here
pytestmark = pytest.mark.process  # a dry run looks at the machine


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_told_in_a_line(command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = CliRunner().invoke(app, [word.format(NAMES[name]) for word in COMMANDS[command]])
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    lines = ran.stderr.splitlines()
    assert all(len(line) <= 300 and line.isprintable() for line in lines)
    if command not in MAY_BE_RIGHT:
        assert ran.exit_code == 2
        assert [line for line in lines if line.startswith("error: ")]
        assert all(line.startswith("error: ") for line in lines)


def test_what_cannot_be_read_of_a_command_line_says_where_help_is():
    ran = CliRunner().invoke(app, ["inspect", "summary", "--qzx"])
    assert ran.stderr == "error: No such option: --qzx; see dra inspect summary --help\n"
    ran = CliRunner().invoke(app, ["inspect", "summary", "--qzx", "--json"])
    assert json.loads(ran.stdout)["errors"] == ["No such option: --qzx; see dra inspect summary --help"]


def test_help_is_shown_where_nothing_is_asked():
    ran = CliRunner().invoke(app, ["recipes", "keys", "--help"])
    assert ran.exit_code == 0
    assert "Usage: dra recipes keys" in ran.output
    assert "Usage: dra" in CliRunner().invoke(app, []).output


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_is_a_line_that_can_be_shown_whatever_it_quotes(name):
    (line,) = DRAError(f"{NAMES[name]}: found {NAMES[name]}, expected another name").problems
    assert len(line) <= LONGEST
    assert line.isprintable()
    assert line.endswith("expected another name")


@pytest.mark.parametrize("where", ["/dev/zero", "pipe"])
def test_a_recipe_that_never_ends_is_not_read(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DRAError, match=f"{where}: not a file, expected YAML in one"):
        load_recipe(where)


@pytest.mark.parametrize("found", ["[]", "null", '{"a":' * 50_000, "[" * 100_000, '{"chat_template": "x"}'])
def test_a_model_folder_with_another_tokenizer_config_is_one_that_has_no_template(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer_config.json").write_text(found)
    recipe = Path("r.yaml")
    recipe.write_text("model_name_or_path: model\ndataset_name: builtin:ways\nreward_funcs: [format]\nembedder: hash\n")
    ran = CliRunner().invoke(app, ["train", str(recipe), "--dry-run"])
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    assert ("has no chat template" in ran.stderr) == ("x" not in found)
