"""What `record_texts` saves, and that questions on numbers are answered alike: a run of long completions, recorded twice.

`python benchmarks/retaining.py --work FOLDER` records, as a trainer does, a 100th of 2,000 steps of 8,192 completions of
28 kB, or as many as `--steps` says, with all texts and with those of 5 % of the groups, and compares sizes and answers.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import write
from generate_run import FACTS, Words, step_rows

from dra_toolkit.runs import Run, RunDirectory
from dra_toolkit.runs.compaction import compact, texts_left_out
from dra_toolkit.runs.files import publish
from dra_toolkit.runs.parquet import seal, write_options
from dra_toolkit.runs.schema import arrow_schema

NUMBERS = (
    "SELECT * FROM steps ORDER BY step",
    "SELECT * EXCLUDE texts_dropped FROM groups ORDER BY step, batch, group_index",
    "SELECT * EXCLUDE texts_dropped FROM completions ORDER BY step, batch, group_index, completion_index",
    "SELECT count(*), count(DISTINCT prompt) FROM texts",
)


def main() -> None:
    """Record, join and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--characters", type=int, default=28_000)
    parser.add_argument("--share", type=float, default=0.05)
    arguments = parser.parse_args()
    words = Words(arguments.characters, 0)
    sizes, left_out = {}, None
    runs = {share: RunDirectory(arguments.work / f"share-{share}") for share in (1.0, arguments.share)}
    for share, run in runs.items():
        shutil.rmtree(run.path, ignore_errors=True)
        run.groups.mkdir(parents=True)
        started = time.perf_counter()
        for step in range(1, arguments.steps + 1):
            record(run.groups, step, words, share)
            compact(run.groups, grace=0)
        compact(run.groups, everything=True, grace=0)
        compact(run.groups, everything=True, grace=0)
        sizes[share] = sum(path.stat().st_size for path in run.groups.rglob("*.parquet"))
        left_out = texts_left_out(Run(run).store) or left_out
        print(share, sizes[share], f"{time.perf_counter() - started:.0f} s", left_out, flush=True)
    answers = [[Run(run).query(sql) for sql in NUMBERS] for run in runs.values()]
    completions = arguments.steps * 8_192
    result: dict[str, Any] = {
        "completions": completions,
        "characters of a completion": arguments.characters,
        "bytes per completion": {str(share): round(size / completions, 1) for share, size in sizes.items()},
        "times smaller": round(sizes[1.0] / sizes[arguments.share], 1),
        "told": left_out,
        "questions on numbers answered alike": sum(a.equals(b) for a, b in zip(*answers, strict=True)),
        "questions": len(NUMBERS),
    }
    write("retaining", result)
    print(result)


def record(groups: Path, step: int, words: Words, share: float) -> None:
    """Write a generation batch of 8,192 completions as the recorder does."""
    facts = dataclasses.replace(FACTS, record_texts=share)
    parts = []
    for part in range(9):
        rows = step_rows(step, words, np.random.default_rng([step, part]))
        index = pa.array(rows["group_index"].to_numpy() + part * 125, pa.int32())
        parts.append(rows.set_column(rows.column_names.index("group_index"), "group_index", index))
    table = pa.concat_tables(parts).slice(0, 8_192).replace_schema_metadata(arrow_schema(facts).metadata)

    def write_batch(file: Any) -> None:
        pq.write_table(table.unify_dictionaries(), file, **write_options(table.schema))
        seal(file)

    publish(groups / f"train-{step:08d}-000.parquet", write_batch)


if __name__ == "__main__":
    main()
