"""What the check of seals costs who asks a run: the first answer and one group by id, with seals and without.

`python benchmarks/sealing.py --work FOLDER` generates a run of 10 million short completions there unless it is there, and a
copy without seals. Every question is asked in a fresh process of each in turn, which tells the seconds and the processor
seconds of its first answer; what is told are medians and the ratios round by round.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import paired, write
from generate_run import generate
from run_store import SQL, questions
from versions import strip

from dra_toolkit.runs import Run

QUESTIONS = (*SQL, "one group in full")
KINDS = ("seconds", "processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--completions", type=int, default=10_000_000)
    parser.add_argument("--characters", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ask", nargs=2, metavar=("RUN", "QUESTION"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ask:
        print(json.dumps(first_answer(*asked.ask)))
        return
    sealed, bare = asked.work / "10m", asked.work / "10m-without-seals"
    if not sealed.is_dir():
        generate(sealed, asked.completions, asked.characters)
    if not bare.is_dir():
        shutil.copytree(sealed, bare)
        for path in bare.rglob("*.parquet"):
            strip(path)
    told: dict[str, object] = {}
    for name in QUESTIONS:
        found: dict[Path, list[dict[str, float]]] = {sealed: [], bare: []}
        for number in range(asked.rounds + 1):
            for run in (sealed, bare) if number % 2 else (bare, sealed):
                command = [sys.executable, __file__, "--ask", str(run), name]
                answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
                print(number, name, run.name, answer, file=sys.stderr, flush=True)
                found[run] += [answer] if number else []  # the first round brings the files into memory
        told[name] = {kind: beside([a[kind] for a in found[sealed]], [a[kind] for a in found[bare]]) for kind in KINDS}
        write("sealing", {"completions": asked.completions, "rounds": asked.rounds, "first answer": told})


def first_answer(run: str, name: str) -> dict[str, float]:
    """Return what the first answer to a question takes in this process, of seconds and of processor seconds."""
    question = questions(Run.open(run))[name]
    started = time.perf_counter(), time.process_time()
    question()
    return {"seconds": time.perf_counter() - started[0], "processor": time.process_time() - started[1]}


def beside(sealed: list[float], bare: list[float]) -> dict[str, float]:
    """Return medians in milliseconds, the median ratio with its interval, and how much more it is."""
    ratio = paired(sealed, bare)
    return {
        "with seals, ms": round(1e3 * statistics.median(sealed), 1),
        "without, ms": round(1e3 * statistics.median(bare), 1),
        **{f"ratio, {key}": round(ratio[key], 2) for key in ("median", "low", "high")},
        "more, ms": round(1e3 * statistics.median(a - b for a, b in zip(sealed, bare, strict=True)), 1),
    }


if __name__ == "__main__":
    main()
