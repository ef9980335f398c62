"""Processor time of `dra lint` on dumps of five formats against a bare read: `python benchmarks/linting.py [--rows N]`.

A bare read is `json.loads` of every line; of Parquet, the rows as Python objects (`to_pylist`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import ratio, write

from dra_toolkit.diversity import group_advantages
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.runs.importers.rollout import Options

G, GROUPS, ROUNDS = 8, 64, 7
WORDS = "so we add the two parts and look whether anything is left over before we go on to the next case " * 80
Row = dict[str, Any]
OPTIONS = {"jsonl": Options(group_column="group", reward_columns=("score",))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    found = {size: {name: of(rows, size, name) for name in FORMATS} for size in (8_000, 2_000)}
    write("linting", {"rows": rows, "lint over bare read, by bytes of a completion": found})


def of(rows: int, size: int, name: str) -> dict[str, object]:
    """Return the ratio, and the seconds of a million rows, for a format and completions of a size."""
    with tempfile.TemporaryDirectory() as folder:
        for step in range(1, -(-rows // (G * GROUPS)) + 1):
            FORMATS[name](Path(folder), step, rows_of(step, WORDS[:size]))
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        ways = {"lint": lambda: lint(Path(folder), options=OPTIONS.get(name)), "bare read": lambda: bare(files)}
        seconds = {way: [0.0] * ROUNDS for way in ways}
        for way, i in [(way, i) for i in range(ROUNDS) for way in ways]:
            started = time.process_time()
            ways[way]()
            seconds[way][i] = time.process_time() - started
        per_million = min(seconds["lint"]) / rows * 1e6
        return {**ratio(seconds, "lint", "bare read"), "seconds of lint for a million rows": round(per_million, 1)}


def rows_of(step: int, words: str) -> list[Row]:
    """Return the rows of a step: GROUPS groups of G completions, of which half have nothing but zeros."""
    scores = np.random.default_rng(step).integers(0, 2, size=(GROUPS, G)) * np.linspace(0, 1, GROUPS).round()[:, None]
    advantages = group_advantages(scores)
    return [
        {
            "step": step, "group": f"{step}-{i // G}", "prompt": f"What is {step * GROUPS + i // G} + {i // G}?",
            "completion": f"{step} {i} {words}", "score": scores.flat[i], "gold": str(i // G),
            "advantage": advantages.flat[i],
        }
        for i in range(G * GROUPS)
    ]  # fmt: skip


def as_verl(folder: Path, step: int, rows: list[Row]) -> None:
    """Write what verl's `rollout_data_dir` holds, which has no advantages."""
    names = {"prompt": "input", "completion": "output", "gold": "gts", "group": "uid"}
    made = [{names.get(key, key): value for key, value in row.items() if key != "advantage"} for row in rows]
    _lines(folder / f"{step}.jsonl", made)


def as_jsonl(folder: Path, step: int, rows: list[Row]) -> None:
    """Write plain JSON lines."""
    _lines(folder / f"{step}.jsonl", rows)


def as_swift(folder: Path, step: int, rows: list[Row]) -> None:
    """Write a step as a line of columns, as ms-swift does."""
    columns = {name: [row[name] for row in rows] for name in ("prompt", "completion", "score")}
    with open(folder / "completions.jsonl", "a") as file:
        file.write(
            json.dumps({"step": [step] * len(rows), **columns, "advantages": [row["advantage"] for row in rows]}) + "\n"
        )


def as_prime_rl(folder: Path, step: int, rows: list[Row]) -> None:
    """Write flat rollouts of prime-rl."""
    place = folder / "rollouts" / f"step_{step}"
    place.mkdir(parents=True)
    made = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
            "reward": row["score"], "advantage": row["advantage"], "example_id": row["group"],
        }
        for row in rows
    ]  # fmt: skip
    _lines(place / "train_rollouts.jsonl", made)


def as_trl(folder: Path, step: int, rows: list[Row]) -> None:
    """Write TRL's table of a step."""
    columns = {name: [row[name] for row in rows] for name in ("step", "prompt", "completion", "score", "advantage")}
    pq.write_table(pa.table(columns), folder / f"completions_{step:05d}.parquet")


FORMATS: dict[str, Callable[[Path, int, list[Row]], None]] = {
    "verl": as_verl, "jsonl": as_jsonl, "ms-swift": as_swift, "prime-rl": as_prime_rl, "trl": as_trl,
}  # fmt: skip


def _lines(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def bare(files: list[Path]) -> int:
    """Read every row; return how many objects there are."""
    if files[0].suffix == ".parquet":
        return sum(len(pq.read_table(path).to_pylist()) for path in files)
    return sum(isinstance(json.loads(line), dict) for file in files for line in open(file, "rb"))


if __name__ == "__main__":
    main()
