"""Tiny checkpoints and a run of them, for all tests of evaluation."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def policies(tmp_path_factory) -> list[Path]:
    """Three checkpoints of a few thousand random parameters."""
    import tiny

    folder = tmp_path_factory.mktemp("policies")
    return [tiny.save_policy(folder / f"policy-{seed}", seed=seed) for seed in range(3)]


@pytest.fixture
def checkpoint(policies, tmp_path) -> Path:
    """A checkpoint of the test's own, which it may damage."""
    shutil.copytree(policies[0], tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture(scope="session")
def benchmarks(tmp_path_factory) -> list[Path]:
    """Two benchmark files, as a user writes them: one with answers as numbers."""
    folder = tmp_path_factory.mktemp("benchmarks")
    texts = [{"problem": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(12)]
    numbers = [{"problem": f"What is {i} + 2?", "answer": i + 2} for i in range(8)]
    for name, rows in (("sums", texts), ("more", numbers)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [folder / "sums.jsonl", folder / "more.jsonl"]
