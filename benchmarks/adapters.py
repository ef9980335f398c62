"""What the adapter's core costs the driver of another engine: seconds and memory of one step, by embedder.

`python benchmarks/adapters.py` adjusts and records one step of 8,192 completions of about 8,000 tokens (28,000 letters) in
groups of 8 to 16, in a fresh process for each embedder. The embedder that is a model sees `--few` completions.

`python benchmarks/adapters.py --threads` embeds `--few` of them with MiniLM on one thread and on two, turn by turn, and says
what 16 would take on paper: seconds(n) = serial + parallel / n, fitted to the fastest turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import write

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.rows import EngineRows
from dra_toolkit.adapters.settings import read_settings
from dra_toolkit.diversity import ESTIMATORS
from dra_toolkit.embedding import EmbedderSettings, load_embedder

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


def embed(completions: int) -> None:
    """Embed a sample with MiniLM, and print the seconds."""
    texts = rows_of(completions).completions
    embedder = load_embedder(EmbedderSettings(name="minilm"), device="cpu")
    embedder.embed(texts[:8])
    started = time.perf_counter()
    embedder.embed(texts)
    print(time.perf_counter() - started)


def by_threads(sample: int, completions: int, turns: int = 5) -> dict[str, Any]:
    """Return the seconds of a sample on one and two threads, in turn, and what `completions` take, on 16 by the fit."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(turns):
        for threads, found in seconds.items():
            limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")}
            command = [sys.executable, __file__, "--embed", str(sample)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **limits})
            found.append(float(done.stdout.splitlines()[-1]))
    one, two = min(seconds[1]) / sample, min(seconds[2]) / sample
    parallel = max(0.0, 2 * (one - two))
    on_paper = {str(n): completions * (one - parallel + parallel / n) for n in (1, 2, 16)}
    return {"sample": sample, "seconds": seconds, "completions": completions, "on_paper_s": on_paper}


def main() -> None:
    """Measure each embedder in a process of its own, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--completions", type=int, default=8_192)
    parser.add_argument("--few", type=int, default=64)
    parser.add_argument("--measure", nargs=2)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--embed", type=int)
    asked = parser.parse_args()
    if asked.embed:
        embed(asked.embed)
        return
    if asked.threads:
        write("adapters_threads", by_threads(asked.few, asked.completions))
        return
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
