"""Single flipped bits in the files of a recorded run: how many are told, and how many give a wrong number in silence.

`python benchmarks/flipping.py --flips 1000` flips one bit at a time, half of them in pages and half in indices, seals and
footers, in files of generation batches and in a segment in turn, and asks everything that reads a run: SQL over its four
tables, groups in memory, one group by its place, replay. The answers are compared with those of the run as it was written.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import write

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1] / "tests" / "runs")]


def main() -> None:
    """Flip bits and write how many were tried, told and silently wrong, by kind of file."""
    from test_damage import by_step

    parser = argparse.ArgumentParser()
    parser.add_argument("--flips", type=int, default=1000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = {kind: sound(Path(folder) / kind, kind == "segment") for kind in ("files", "segment")}
        expected = {kind: by_step(path) for kind, path in runs.items()}
        for number in range(arguments.flips):
            kind = ("files", "segment")[number % 2]
            name, outcome = flip(runs[kind], expected[kind], Path(folder) / "copy", rng, near_the_end=number % 4 < 2)
            of_kind = counts.setdefault(name, {"tried": 0, "told": 0, "without effect": 0, "silently wrong": 0})
            of_kind["tried"] += 1
            of_kind[outcome] += 1
            if number % 50 == 49:
                print(number + 1, counts, flush=True)
                write("flipping", {"flips": number + 1, "by file": counts})


def sound(path: Path, is_joined: bool) -> Path:
    """Return a run as it was written, with a file for each batch or one segment."""
    from recorded import make_run, record, record_all

    from dra_toolkit.runs.compaction import compact

    run = make_run(path)
    record_all(run, *[[record(step, i, G=4) for i in range(3)] for step in (1, 2, 3)])
    if is_joined:
        compact(run.groups, everything=True, grace=-1)
    return run.path


def flip(
    run: Path, expected: dict[int, list], copy: Path, rng: np.random.Generator, *, near_the_end: bool
) -> tuple[str, str]:
    """Flip one bit in a copy; return in which kind of file, and what came of it."""
    from test_damage import by_step

    shutil.copytree(run, copy)
    files = sorted(copy.rglob("*.parquet"))
    path = files[int(rng.integers(len(files)))]
    data = bytearray(path.read_bytes())
    data[int(rng.integers(max(0, len(data) - 2500) if near_the_end else 0, len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(data))
    found = by_step(copy)
    shutil.rmtree(copy)
    problems = found.pop(-1)[0]
    known = {step: said for step, said in expected.items() if step >= 0}
    is_wrong = any(each not in known[step] for step, said in found.items() for each in said if each != "told")
    is_wrong |= not problems and found != known
    name = path.name if path.parent.name != "groups" else "a batch's own file"
    return name, "silently wrong" if is_wrong else "told" if problems else "without effect"


if __name__ == "__main__":
    main()
