"""A few of the mutated inputs of `fuzzing.py`; `python benchmarks/fuzzing.py --inputs 10000` tries as many as asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from fuzzing import summary, tried

pytestmark = pytest.mark.process


def test_mutated_inputs_end_in_what_is_read_or_told(tmp_path):
    found = tried(range(int(os.environ.get("DRA_FUZZ", "120"))), tmp_path, workers=2)
    told = summary(found)
    assert told["findings"] == []
    assert all(told["outcomes"].values())
