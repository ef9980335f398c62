"""The process layout does not change a single weight: 1 process and 2 over gloo, with groups that straddle the ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from layouts import in_processes

from dra_toolkit.runs.rows import from_table
from dra_toolkit.runs.schema import read_facts

SCRIPT = Path(__file__).with_name("layout_run.py")


TOLERANCES = {"hash-graph_cut": 0.0, "policy-graph_cut": 1e-5, "hash-set_utility": 0.0, "hash-ucpo": 1e-5}
"""Embedder and measure -> how far layouts may be apart. Hashed words are exact; what a model reads differs by rounding with
the composition of its batches. Set utility and UCPO act on advantages, of which each process takes its part; UCPO reads
log-probabilities."""


def train(policy: Path, out: Path, processes: int) -> Path:
    """Train every case, one after the other, in so many processes; they start once, since torch takes long to."""
    in_processes(processes, SCRIPT, str(policy), str(out), str(12 // processes), *TOLERANCES)
    return out


def groups(folder: Path):
    found = []
    for file in sorted((folder / "groups").iterdir()):
        table = pq.read_table(file)
        found += from_table(table, read_facts(table.schema, file.name))
    return found


@pytest.fixture(scope="module")
def trained(policy, tmp_path_factory) -> tuple[Path, Path]:
    """What one process trained, and what two did."""
    out = tmp_path_factory.mktemp("layout")
    return train(policy, out / "alone", 1), train(policy, out / "shared", 2)


@pytest.mark.parametrize("case", TOLERANCES)
def test_one_and_two_processes(trained, case):
    tolerance = TOLERANCES[case]
    alone, shared = (groups(out / case) for out in trained)
    assert len(alone) == len(shared) == 9
    for left, right in zip(alone, shared, strict=True):
        assert (left.step, left.index, left.prompt_hash) == (right.step, right.index, right.prompt_hash)
        assert left.group.completions == right.group.completions
        for name in ("similarity", "redundancy", "weights", "adjusted"):
            ours, theirs = getattr(left.adjustment, name), getattr(right.adjustment, name)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=name)
        np.testing.assert_allclose(left.advantages, right.advantages, rtol=0, atol=100 * tolerance)
    assert len({record.prompt_hash for record in alone}) == 9
    changed = [np.abs(r.advantages - r.plain_advantages).max() for r in alone]
    assert max(changed) > 1e-3
