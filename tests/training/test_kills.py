"""A few of the kills at named moments; `python benchmarks/killing.py --kills 100` does as many as asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "killing.py"
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("moments", ["a checkpoint half saved", "the attempt, metrics", "inspect compact: half"])
def test_a_run_killed_there_and_resumed_is_the_same_run(tmp_path, moments):
    command = [sys.executable, str(PROGRAM), "--work", str(tmp_path / "work"), "--moments", moments, "--kills", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert '"bad": 0' in ran.stdout
