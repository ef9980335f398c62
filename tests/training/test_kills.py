"""A few of the kills at named moments; `python benchmarks/killing.py --kills 100` does as many as asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "killing.py"
MOMENTS = ("a checkpoint half saved", "the attempt, metrics", "inspect compact: half")
pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_a_run_killed_and_resumed_again_and_again_is_the_same_run(tmp_path):
    """Each moment twice, once with the launcher; one undisturbed run is what all are compared with."""
    command = [sys.executable, str(PROGRAM), "--work", str(tmp_path / "work"), "--kills", "6", "--moments", *MOMENTS]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert '"bad": 0' in ran.stdout
    rows = [json.loads(line.partition(" ")[2]) for line in ran.stdout.splitlines() if line[:1].isdigit()]
    for moment in MOMENTS:
        assert {row["both"] for row in rows if moment in row["moment"]} == {False, True}, ran.stdout
