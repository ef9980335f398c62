"""Processor time of `dra lint` on a verl dump against a bare read of it: `python benchmarks/linting.py [--rows N]`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from common import ratio, write

from dra_toolkit.inspection.lint.linting import lint

G, GROUPS, ROUNDS = 8, 64, 7
WORDS = "so we add the two parts and look whether anything is left over before we go on to the next case " * 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    write(
        "linting",
        {"rows": rows, "lint over bare read, by bytes of a completion": {n: of(rows, n) for n in (8_000, 2_000)}},
    )


def of(rows: int, size: int) -> dict[str, object]:
    """Return the ratio, and the seconds of a million rows, for completions of a size."""
    with tempfile.TemporaryDirectory() as folder:
        files = dump(Path(folder), rows, WORDS[:size])
        ways = {"lint": lambda: lint(Path(folder)), "bare read": lambda: bare(files)}
        seconds = {name: [0.0] * ROUNDS for name in ways}
        for name, i in [(name, i) for i in range(ROUNDS) for name in ways]:
            started = time.process_time()
            ways[name]()
            seconds[name][i] = time.process_time() - started
        per_million = min(seconds["lint"]) / rows * 1e6
        return {**ratio(seconds, "lint", "bare read"), "seconds of lint for a million rows": round(per_million, 1)}


def dump(folder: Path, rows: int, words: str) -> list[Path]:
    """Write steps of GROUPS groups of G completions; return the files."""
    files = []
    for step in range(1, -(-rows // (G * GROUPS)) + 1):
        files.append(folder / f"{step}.jsonl")
        with open(files[-1], "w") as file:
            for i in range(G * GROUPS):
                question = f"What is {step * GROUPS + i // G} + {i // G}?"
                row = {"input": question, "output": f"{step} {i} {words}", "score": float(i % 3 == 0), "step": step}
                file.write(json.dumps({**row, "gts": str(i // G), "uid": f"{step}-{i // G}"}) + "\n")
    return files


def bare(files: list[Path]) -> int:
    """Read every row as JSON; return how many there are."""
    return sum(isinstance(json.loads(line), dict) for file in files for line in open(file, "rb"))


if __name__ == "__main__":
    main()
