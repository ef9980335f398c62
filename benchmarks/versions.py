"""Runs of earlier versions of the format against one of today, of the same rows: time and memory of every question.

`python benchmarks/versions.py --completions 1000000` writes each step as a file as today's code does, as version 2
did (no seal, without the numbers of a group that came later) and as version 1 did (no numbers of a group), and the same in
segments of today, with and without their seals. Every question is asked in a fresh process, in turn; what is told are ratios
to today's of the same layout, and the largest memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import write
from generate_run import FACTS, STEP, Words, generate, step_rows
from run_store import SQL, _child

from dra_toolkit.runs.parquet import read_seal, seal, write_options
from dra_toolkit.runs.schema import GROUP_PREFIX, METADATA_KEY

LATER = ("answers_read", "positive_share")
"""Numbers of a group that files of version 2 may lack."""
NEWER_FACTS = {1: ("correct_by", "estimator", "record_texts"), 2: ("estimator", "record_texts")}
PAIRS = {"version 1": "today", "version 2": "today", "segments without a seal": "segments"}
RUNS = ("today", "version 2", "version 1", "segments", "segments without a seal")
MADE = "made"
"""The file that says that all the runs in a folder are whole."""
QUESTIONS = (*SQL, "one group in full", "substring search")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--completions", type=int, default=1_000_000)
    parser.add_argument("--characters", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where the runs lie, or are made and kept")
    parser.add_argument("--make", action="store_true", help="only make the runs in --work, and ask nothing")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = asked.work or Path(passing)
        if (folder / MADE).is_file():
            runs = {name: folder / name for name in RUNS}
        else:
            runs = made(folder, asked.completions, asked.characters)
            (folder / MADE).write_text(str(asked.completions))
        if not asked.make:
            report(runs, asked)


def report(runs: dict[str, Path], asked: argparse.Namespace) -> None:
    """Ask every question of every run in turn, and write what is known after each."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for _ in range(asked.rounds):
        for question in QUESTIONS:
            for name, path in runs.items():
                found.setdefault(question, {}).setdefault(name, []).append(_child("--ask", str(path), question))
            over = {q: ratios(of) for q, of in found.items()}
            memory = {name: round(max(each["MiB"] for of in found.values() for each in of[name])) for name in runs}
            content = {"completions": asked.completions, "over today": over, "largest memory, MiB": memory}
            write("versions", content | {"answers": found})


def ratios(of: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median ratio over rounds, of the first question in a process, its processor time, and of the later ones."""
    return {
        old: {
            when: round(statistics.median(a[when] / b[when] for a, b in zip(of[old], of[new], strict=True)), 2)
            for when in ("first", "processor", "median")
        }
        for old, new in PAIRS.items()
    }


def made(folder: Path, completions: int, characters: int) -> dict[str, Path]:
    """Write the runs; return each by its name."""
    whole = generate(folder / "segments", completions, characters).path
    runs = {name: folder / name for name in RUNS}
    for name in ("today", "version 2", "version 1"):
        shutil.copytree(whole, runs[name], ignore=lambda at, names: [n for n in names if n.startswith("train-")])
    shutil.copytree(whole, runs["segments without a seal"])
    for path in runs["segments without a seal"].rglob("*.parquet"):
        strip(path)
    words = Words(characters, 0)
    for step in range(1, -(-completions // STEP) + 1):
        table = step_rows(step, words, np.random.default_rng([0, step]))
        for name in ("today", "version 2", "version 1"):
            write_file(runs[name] / "groups" / f"train-{step:08d}-000.parquet", table, name)
    return runs


def write_file(path: Path, table: pa.Table, name: str) -> None:
    """Write a step as the code of a version did."""
    version = 1 if name == "version 1" else 2
    facts = asdict(FACTS) | {"version": version}
    if name != "today":
        facts = {key: value for key, value in facts.items() if key not in NEWER_FACTS[version]}
        later = [GROUP_PREFIX + measure for measure in LATER]
        table = table.drop_columns([c for c in table.column_names if c in later])
    if version == 1:
        own = [c for c in table.column_names if not c.startswith(GROUP_PREFIX) or c == "group_index"]
        table = table.select([c for c in own if c != "answer"])
        table = table.rename_columns(["group" if c == "group_index" else c for c in table.column_names])
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(facts).encode()})
    with open(path, "w+b") as file:
        pq.write_table(table, file, **write_options(table.schema))
        if name == "today":
            seal(file)


def strip(path: Path) -> None:
    """Take the seal out of a file."""
    found, content = read_seal(path), path.read_bytes()
    assert found is not None
    length = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[: found.data] + content[-length:])
    os.utime(path)


if __name__ == "__main__":
    main()
