"""The same verdicts on an idle and a busy machine: the judge's, and those of lighteval's metric within our bounds.

python benchmarks/judging_busy.py [--pairs 500] [--busy 8]

Every pair is scored with nothing beside it and again beside processes that use all the processor time they get; what
counts is how many verdicts differ, which must be none, and how many were out of time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from common import write, write_markdown
from judging import from_tests


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Have so many processes use processor time."""
    beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in beside:
            process.kill()
            process.wait()


def by_judge(golds: list[str], texts: list[str]) -> list[str]:
    """Return the judge's verdicts."""
    from dra_toolkit.judge.service import JudgeService

    with contextlib.closing(JudgeService(workers=2)) as judge:
        return [found.verdict.value for found in judge.judge(golds=golds, completions=texts)]


def by_lighteval(golds: list[str], texts: list[str]) -> list[str]:
    """Return what scoring beside an evaluation says: Open-RS's metric, the judge beside it, and how it ended."""
    from dra_toolkit.evaluation.child import scoring
    from dra_toolkit.evaluation.results.answers import kept_scores

    with tempfile.TemporaryDirectory() as folder:
        guardian = scoring.Scoring(2)
        guardian.open(Path(folder) / "scores.jsonl", {"extraction": "latex", "repaired": False})
        for i, (gold, text) in enumerate(zip(golds, texts, strict=True)):
            guardian.submit({"id": str(i), "query": "?", "gold": rf"\boxed{{{gold}}}"}, 0, text)
        guardian.finish()
        guardian.close()
        rows = {problem: row for (problem, _, _), row in kept_scores(Path(folder)).items()}
    found = [rows[str(i)] for i in range(len(golds))]
    return [f"{row['correct']}, {row['judged']}, {row['how']}" for row in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--busy", type=int, default=8)
    given = parser.parse_args()
    rows = from_tests()[: given.pairs]
    golds, texts = [row["gold"] for row in rows], [row["completion"] for row in rows]
    ways: dict[str, Callable[[list[str], list[str]], list[str]]] = {"the judge": by_judge, "lighteval": by_lighteval}
    made: dict[str, object] = {"pairs": len(rows), "busy": given.busy, "load": os.getloadavg()[0]}
    lines = [
        "| scored by | pairs | verdicts that differ | out of time alone | out of time beside |",
        "| --- " * 5 + "|",
    ]
    for name, way in ways.items():
        alone = way(golds, texts)
        with busy(given.busy):
            beside = way(golds, texts)
        differ = [(golds[i], alone[i], beside[i]) for i in range(len(rows)) if alone[i] != beside[i]]
        late = [sum("time" in verdict for verdict in verdicts) for verdicts in (alone, beside)]
        made[name] = {"differ": differ, "out of time": late}
        lines.append(f"| {name} | {len(rows)} | {len(differ)} | {late[0]} | {late[1]} |")
    write("judging_busy", made)
    write_markdown("judging_busy", f"Verdicts beside {given.busy} busy processes", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
