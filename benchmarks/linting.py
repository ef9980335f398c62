"""`dra lint` on a generated verl dump against a bare read of the same file: `python benchmarks/linting.py [--rows N]`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from common import ratio, side_by_side, write

from dra_toolkit.inspection.lint.linting import lint

G, GROUPS = 8, 64
WORDS = "so we add the two parts and look whether anything is left over before we go on to the next case " * 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        files = dump(Path(folder), rows)
        seconds = side_by_side({"lint": lambda: lint(Path(folder)), "bare read": lambda: bare(files)}, rounds=3)
        size = sum(file.stat().st_size for file in files)
        per_million = min(seconds["lint"]) / rows * 1e6
        result = {"rows": rows, "bytes": size, "lint over bare read": ratio(seconds, "lint", "bare read")}
        write("linting", {**result, "seconds of lint for a million rows": round(per_million, 1)})


def dump(folder: Path, rows: int) -> list[Path]:
    """Write steps of GROUPS groups of G completions of 8 kB; return the files."""
    files = []
    for step in range(1, -(-rows // (G * GROUPS)) + 1):
        files.append(folder / f"{step}.jsonl")
        with open(files[-1], "w") as file:
            for i in range(G * GROUPS):
                question = f"What is {step * GROUPS + i // G} + {i // G}?"
                row = {"input": question, "output": f"{step} {i} {WORDS}", "score": float(i % 3 == 0), "step": step}
                file.write(json.dumps({**row, "gts": str(i // G), "uid": f"{step}-{i // G}"}) + "\n")
    return files


def bare(files: list[Path]) -> int:
    """Read every row as JSON; return how many there are."""
    return sum(isinstance(json.loads(line), dict) for file in files for line in open(file, "rb"))


if __name__ == "__main__":
    main()
