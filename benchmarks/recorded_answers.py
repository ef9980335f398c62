"""Seconds and memory of planning, scoring, resuming and reporting over many long answers that are on disk.

    python benchmarks/recorded_answers.py [--answers 100000] [--characters 30000]

An unfinished evaluation with so many answers is written, then counted (what a plan does), indexed (what a resumed job does),
scored by two processes, put together as outcomes, and read for a report. Each part runs in a process of its own; memory is
that of the largest of it and of what it started. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = {
    "plan": "found = answered(folder)",
    "resume": "found = kept_answers(folder)",
    "score": """
from dra_toolkit.evaluation.child.scoring import Scoring
scoring = Scoring(2)
kept = list(kept_answers(folder).items())
scoring.open(folder / "scores-1.jsonl", {"extraction": "latex"})
for (p, s), k in kept[:some]:
    scoring.submit({"id": p, "query": "", "gold": "$\\\\boxed{7}$"}, s, k.text)
scoring.finish()
scoring._here.close()  # and not close(), which kills: what is waited for is counted
scoring._process.join()
found = kept_scores(folder)
""",
    "put together": """
kept = kept_answers(folder)
rows = (
    {**same, "problem": p, "problem_index": int(p), "sample": s, "seed": k.seed, "correct": s % 2 == 0, "answer": "1",
     "how": "scored", "tokens": k.tokens, "finish_reason": k.finish, "gold": "1", "completion": k.text}
    for (p, s), k in kept.items()
)
write_outcomes(folder / "outcomes.parquet", rows, {**same, "n": 4, "settings": {}})
found = kept
""",
    "report": "found = cell_of(read_evaluation(folder)).scores",
}
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from dra_toolkit.evaluation.results.answers import answered, kept_answers, kept_scores
from dra_toolkit.evaluation.results.benchmark_result import cell_of
from dra_toolkit.evaluation.results.stored import read_evaluation, write_outcomes
folder, some, same = Path(sys.argv[1]), int(sys.argv[2]), dict(label="step-1", run="r", step=1, model="m", benchmark="b")
started = time.perf_counter()
{part}
seconds = time.perf_counter() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu, memory = sum(each.ru_utime + each.ru_stime for each in used), max(each.ru_maxrss for each in used)
print(json.dumps(dict(seconds=round(seconds, 2), cpu_seconds=round(cpu, 2), mib=memory // 1024, found=len(found))))
"""


def write_answers(folder: Path, count: int, characters: int) -> None:
    """Write answers of random words, four to a problem, as four processes would."""
    words = ["".join(random.choices(string.ascii_lowercase, k=7)) for _ in range(5000)]
    said = " ".join(random.choices(words, k=4_000_000))
    for writer in range(4):
        with open(folder / f"answers-{writer}.jsonl", "w", encoding="utf-8") as file:
            for i in range(writer, count, 4):
                at = random.randrange(len(said) - characters)
                text = f"{said[at : at + characters]} so x = {i} and $\\boxed{{{i % 9}}}$."
                row = {"problem": f"{i // 4:06}", "sample": i % 4, "seed": i, "text": text}
                file.write(json.dumps({**row, "tokens": characters // 4, "finish": "stop"}) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--characters", type=int, default=30_000)
    parser.add_argument("--scored", type=int, default=100_000, help="how many of them are scored")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "step-1" / "b" / "key"
        folder.mkdir(parents=True)
        write_answers(folder, arguments.answers, arguments.characters)
        for part, code in PARTS.items():
            command = [sys.executable, "-c", PROGRAM.format(part=code), str(folder), str(arguments.scored)]
            found[part] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
