"""What the adapter's core costs the driver of another engine: seconds and memory of one step, by embedder.

`python benchmarks/adapters.py` adjusts and records one step of 8,192 completions of about 8,000 tokens (28,000 letters) in
groups of 8 to 16, in a fresh process for each embedder. The embedder that is a model sees `--few` completions.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import write

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.rows import EngineRows
from dra_toolkit.adapters.settings import read_settings
from dra_toolkit.diversity import ESTIMATORS

CHARACTERS = 28_000
WORDS = np.array([f"w{i:04d}" for i in range(5_000)])


def rows_of(completions: int) -> EngineRows:
    """Return ragged groups of random texts, shuffled."""
    rng = np.random.default_rng(0)
    groups: list[int] = []
    while len(groups) < completions:
        groups += [len(groups)] * int(rng.integers(8, 17))
    ids = rng.permutation(groups[:completions]).tolist()
    texts = [" ".join(WORDS[rng.integers(0, len(WORDS), CHARACTERS // 6)]) for _ in ids]
    return EngineRows(
        group_ids=ids,
        prompts=[f"prompt {group}" for group in ids],
        completions=texts,
        rewards={"reward": rng.choice([0.0, 1.0], completions)},
        tokens=[8_000] * completions,
        finish_reasons=["stop"] * completions,
    )


def measure(embedder: str, completions: int) -> None:
    """Adjust and record one step, and print what it took."""
    rows = rows_of(completions)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dra.yaml"
        file.write_text(f"output_dir: {folder}/run\nembedder: {embedder}\n")
        run = EngineRun(
            read_settings(file),
            engine="the benchmark",
            reward_weights={"reward": 1.0},
            estimator=ESTIMATORS["verl"],
            tell=lambda line: None,
        )
        started, busy = time.perf_counter(), time.process_time()
        batch = run.adjust(rows, step=1)
        adjusted = time.perf_counter() - started
        run.record(batch, run.advantages(batch))
        handed = time.perf_counter() - started - adjusted
        used = time.process_time() - busy
        run.recorded.close()
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    found = {"completions": completions, "adjust_s": adjusted, "record_s": handed, "cpu_s": used, "more_gib": more}
    print(json.dumps(found))


def main() -> None:
    """Measure each embedder in a process of its own, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--completions", type=int, default=8_192)
    parser.add_argument("--few", type=int, default=64)
    parser.add_argument("--measure", nargs=2)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure[0], int(asked.measure[1]))
        return
    found = {}
    for embedder, count in (("hash", asked.completions), ("minilm", asked.few)):
        done = subprocess.run(
            [sys.executable, __file__, "--measure", embedder, str(count)], capture_output=True, text=True, check=True
        )
        found[embedder] = json.loads(done.stdout.splitlines()[-1])
    write("adapters", found)


if __name__ == "__main__":
    main()
