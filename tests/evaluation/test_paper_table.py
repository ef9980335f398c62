"""The script that fills the paper's table from run directories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from recorded import make_run, record, record_all
from test_report import evaluate

SCRIPT = Path(__file__).parents[2] / "tools" / "paper_table.py"
FIVE = ("aime24", "math_500", "amc23", "minerva", "olympiadbench")


def filled(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def run(tmp_path):
    directory = make_run(tmp_path / "mine")
    record_all(directory, *[[record(step)] for step in (1, 2)])
    for step, right in ((0, 0), (1, 1), (2, 0)):
        for name in FIVE:
            evaluate(directory.path / "evals", step, name, [[right], [1], [0], [0]])
    return directory.path


def test_base_honest_and_tempting_rows_beside_what_was_reported(run):
    ran = filled(run)
    assert ran.returncode == 0, ran.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ran.stdout.splitlines() if "|" in line]
    base = next(row for row in rows if row[1].startswith("0, the base model"))
    assert base[0] == "mine"
    assert base[-1].startswith("25.0 ± ")
    honest = next(row for row in rows if "training reward" in row[1])
    assert honest[2] == "1"
    tempting = next(row for row in rows if "flatters" in row[1])
    assert tempting[1].startswith("1, ")
    assert tempting[3].startswith("50.0 ± 28.9")
    reported = next(row for row in rows if row[0].startswith("DRA-Dr. GRPO (reported)"))
    assert reported[3:] == ["36.7 ± 8.8", "85.2 ± 1.6", "85.0 ± 5.6", "30.5 ± 2.8", "53.8 ± 1.9", "58.2 ± 2.2"]


def test_what_was_not_evaluated_is_a_dash_and_what_cannot_be_read_is_named(run, tmp_path):
    ran = filled(run, tmp_path / "nothing", "--benchmarks", "aime24,amc23")
    assert ran.returncode == 1
    assert "nothing: there is nothing" in ran.stderr
    base = next(line for line in ran.stdout.splitlines() if "the base model" in line)
    assert base.rstrip(" |").endswith("-"), "an average over other benchmarks is no average of these"
