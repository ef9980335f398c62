"""Dotted paths of the user's: where they are looked for, what is told of those that cannot be used, and when they run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from recorded import make_run, record, record_all

from dra_toolkit import dotted
from dra_toolkit.diversity import load_labeller, load_measure
from dra_toolkit.dotted import check_dotted, load_dotted, look_beside
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.audit import from_run
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.recipe import load_recipe
from dra_toolkit.rewards import build_rewards
from dra_toolkit.runs import Run


def recorded_run() -> Run:
    directory = make_run(Path.cwd() / "run")
    record_all(directory, [record(1)])
    return Run.open(directory.path)


LOADERS = {
    "measure": load_measure,
    "labels": load_labeller,
    "reward": lambda name: build_rewards([name], {}),
    "embedder": lambda name: load_embedder(EmbedderSettings(name=name)),
    "replay's measure": lambda name: read_changes([f"diversity={name}"]),
    "replay's embedder": lambda name: load_embedder(read_changes([f"embedder={name}"]).embedder),
    "audit's labels": lambda name: from_run(recorded_run(), labels=name),
}
BROKEN = {
    "no_python.py": ("def f(:\n", "not Python|SyntaxError"),
    "raises.py": ("def f(): ...\nraise KeyError('two\\nlines')\n", r"failed with KeyError: .*\(raises.py:2\)"),
    "exits.py": ("def f(): ...\nraise SystemExit(3)\n", "failed with SystemExit"),
    "needs_more.py": ("import not_there_at_all\ndef f(): ...\n", "No module named 'not_there_at_all'"),
    "empty.py": ("def g(): ...\n", "has nothing of this name.*did you mean 'g'|has nothing of this name"),
    "number.py": ("f = 3\n", "holds a int there, expected a function"),
    "bytes.py": ("\x00", "not Python|SyntaxError|ValueError"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder; what is imported from it is forgotten afterwards, and what others call `mine` before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(dotted, "_BESIDE", [])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def problem_of(load, name):
    with pytest.raises(DRAError) as caught:
        load(name)
    (line,) = caught.value.problems
    assert "\n" not in line
    assert len(line) <= 300
    assert name in line
    return line


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("file", [name for name in BROKEN if name not in ("needs_more.py", "bytes.py")])
def test_a_module_that_cannot_be_used_is_one_line_everywhere(folder, loader, file):
    text, said = BROKEN[file]
    name = f"{file.removesuffix('.py')}_{list(LOADERS).index(loader)}"
    (folder / f"{name}.py").write_text(text)
    pattern = said.replace(file, f"{name}.py")
    line = problem_of(LOADERS[loader], f"{name}.f")
    assert re.search(pattern, line), line


@pytest.mark.parametrize("file", BROKEN)
def test_every_way_to_be_broken_is_one_line(folder, file):
    (folder / file).write_text(BROKEN[file][0])
    problem_of(lambda name: load_dotted("key", name), f"{file.removesuffix('.py')}.f")


@pytest.mark.parametrize("loader", LOADERS)
def test_a_module_that_is_nowhere_says_where_it_was_looked_for(folder, loader):
    line = problem_of(LOADERS[loader], "not_there_at_all.f")
    assert "no package or module 'not_there_at_all' installed or in" in line
    assert str(folder) in line


def test_checking_runs_nothing(folder):
    (folder / "ends.py").write_text("raise SystemExit('ran')")
    assert check_dotted("ends.f") is None
    assert "ends" not in sys.modules


def test_packages_are_followed_to_the_module(folder):
    (folder / "pack" / "inner").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("raise SystemExit('ran')")
    (folder / "pack" / "inner" / "mine.py").write_text("def f(): ...")
    assert check_dotted("pack.inner.mine.f") is None
    assert "no module 'pack.inner.yours'" in check_dotted("pack.inner.yours.f")


def test_beside_the_recipe_comes_before_the_working_folder_and_both_after_what_is_installed(folder, monkeypatch):
    recipe, work = folder / "recipe", folder / "work"
    for place in (recipe, work):
        place.mkdir()
        (place / "whose.py").write_text(f"def f(): return {place.name!r}")
        (place / "json.py").write_text("raise SystemExit('ran')")
    (work / "only_here.py").write_text("def f(): ...")
    monkeypatch.chdir(work)
    look_beside(recipe)
    assert load_dotted("key", "whose.f")() == "recipe"
    assert load_dotted("key", "only_here.f")() is None
    assert load_dotted("key", "json.dumps")([]) == "[]"
    assert sys.path[-2:] == [str(recipe), str(work)]


RECIPE = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [mine.reward]
diversity: mine.measure
diversity_labels: mine.labels
embedder: mine.embed
"""


def test_a_recipe_finds_its_modules_beside_itself(folder):
    there = folder / "elsewhere"
    there.mkdir()
    (there / "r.yaml").write_text(RECIPE)
    with pytest.raises(DRAError) as caught:
        load_recipe(there / "r.yaml")
    assert len(caught.value.problems) == 3  # labels are not read by a measure that is not known
    # long names of folders are cut out of the middle of a line
    assert all(line.endswith(str(folder)) and "installed or in" in line for line in caught.value.problems)
    (there / "mine.py").write_text("def reward(): ...\ndef measure(): ...\ndef labels(): ...\ndef embed(): ...\n")
    assert load_recipe(there / "r.yaml").folder == there
    assert "mine" not in sys.modules
