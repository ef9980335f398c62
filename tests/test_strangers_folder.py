"""A downloaded folder is only data: what lies in it is not run because a command was typed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import make_run, record, record_all

ROOT = Path(__file__).parents[1]
DRA = Path(sys.executable).parent / "dra"
SHADOWS = ("json", "yaml", "torch", "numpy", "typing", "random", "site", "sitecustomize", "dra_toolkit", "conftest")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with a run and modules of common names, each of which leaves a mark when it is run."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n")
    record_all(make_run(tmp_path / "run"), [record(1)])
    return tmp_path


@pytest.mark.parametrize(
    "line",
    ["doctor quickstart", "inspect summary run", "train quickstart --dry-run", "eval run --dry-run", "app --help"],
)
def test_commands_run_nothing_of_the_working_folder(trap: Path, line: str) -> None:
    subprocess.run([str(DRA), *line.split()], cwd=trap, capture_output=True, check=False)
    assert not (trap / "ran").exists(), (trap / "ran").read_text()


def test_every_child_is_started_with_the_safe_path() -> None:
    """`python -m` puts the working folder first on the path; -P, or run_command's PYTHONSAFEPATH, leaves it out."""
    for path in (ROOT / "dra_toolkit").rglob("*.py"):
        unsafe = re.findall(r'sys\.executable, "-m"', path.read_text())
        assert not unsafe or path.parent.name == "launch", path


def test_csv_on_the_terminal_moves_nothing(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202ea"
    record_all(make_run(tmp_path / "run"), [record(1, texts=[hostile, "b", "c"])])
    command = [str(DRA), "inspect", "sql", str(tmp_path / "run"), "SELECT completion FROM texts", "--csv"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", printed)
    assert "owned" in printed


OPTIONAL = ("lz4", "pynvml", "torchvision", "bitsandbytes", "wandb", "flash_attn", "apex", "faiss", "sentencepiece")
"""What libraries look for and use where it is installed; here mostly not."""


@pytest.mark.slow
def test_training_runs_no_module_of_the_working_folder_that_a_library_looks_for(trap: Path) -> None:
    """The children too, with several processes; a reward of one's own is found there all the same."""
    for name in OPTIONAL:
        (trap / f"{name}.py").write_text(f"open({str(trap / 'ran')!r}, 'a').write({name!r})\n")
    settings = ["max_steps=1", "num_processes=2", "per_device_train_batch_size=4", "num_generations=4", "save_steps=1"]
    command = [str(DRA), "train", "quickstart", *settings, f"output_dir={trap / 'trained'}"]
    ran = subprocess.run(command, cwd=trap, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (trap / "ran").exists(), (trap / "ran").read_text()


def test_a_dry_run_of_a_strangers_recipe_moves_nothing_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nembedder: hash\nreward_funcs: [accuracy]\n"
        'num_generations: 4\nper_device_train_batch_size: 4\noutput_dir: "owned\\e]0;x\\a\\e[2J"\n'
    )
    command = [str(DRA), "train", "r.yaml", "--dry-run"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    printed = (ran.stdout + ran.stderr).decode()
    assert "owned" in printed
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", printed)
