"""The tutorial's own files and lines, run as they stand, with the small model."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dra_toolkit.runs import Run

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the tutorial writes."""
    found = tmp_path_factory.mktemp("mine")
    for name, text in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE):
        (found / name).write_text(text)
    return found


def dra(line: str, folder: Path) -> str:
    """Run one line of the tutorial in the folder; return what it prints."""
    words = shlex.split(line)
    assert words[0] == "dra"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dra"), *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_it_writes_the_files_it_names(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"sums.jsonl", "my_rewards.py", "mine.yaml"}


def test_the_recipe_is_checked_as_it_stands(folder: Path) -> None:
    assert "my_rewards.brief" in dra("dra train mine.yaml --dry-run", folder)


def test_the_rehearsal_runs(folder: Path) -> None:
    (block,) = re.findall(r"^```console rehearsal\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    printed = [dra(line, folder) for line in block.splitlines()]
    assert len(printed) >= 5
    groups = list(Run.open(folder / "runs" / "rehearsal").groups(step=4))
    assert {name for record in groups for name in record.group.rewards} == {"accuracy", "brief"}
    assert {len(record.group.completions) for record in groups} == {8}
