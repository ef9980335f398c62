"""The check's second look at one or two failed tests: what is unstable is named, what is broken fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "once_more.py"
UNSTABLE = """
from pathlib import Path

def test_unstable():
    before = Path("tried").is_file()
    Path("tried").touch()
    assert before
"""


def checked(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(tests)
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # most of their time would be other plugins'
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-q", "-n", "2"]
    first = subprocess.run(command, cwd=folder, capture_output=True, env=alone)
    assert first.returncode == 1, first.stdout
    return subprocess.run([sys.executable, SCRIPT], cwd=folder, capture_output=True, text=True, env=alone)


def test_one_that_passes_alone_is_named(tmp_path):
    again = checked(tmp_path, UNSTABLE + "def test_right(): pass")
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1].endswith("find the cause: test_it.py::test_unstable")
    assert "1 passed" in again.stdout, "nothing else is tried again"


def test_one_that_fails_again_fails(tmp_path):
    again = checked(tmp_path, UNSTABLE + "def test_wrong(): assert False")
    assert again.returncode == 1
    assert "1 failed, 1 passed" in again.stdout
    assert "UNSTABLE" not in again.stdout


@pytest.mark.parametrize("tests", ["def test_{}(): assert False", UNSTABLE.replace("test_unstable", "test_{}")])
def test_more_than_two_are_not_tried_again(tmp_path, tests):
    again = checked(tmp_path, "\n".join(tests.format(name).replace("tried", f"tried {name}") for name in "abc"))
    assert again.returncode == 1
    assert not again.stdout
