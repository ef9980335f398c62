"""The judge beside math-verify in two versions and TRL's accuracy_reward, on one table of pairs whose verdict is known.

python benchmarks/judging.py [--table FILE.jsonl] [--golds FILE.jsonl] [--newer PYTHON] [--name judging]

The table is that of the tests, or JSON lines with gold, completion, right (true, false, or null where that is debatable)
and kind. --newer: the Python of an environment with math-verify 0.9.0 alone (`python -m venv`, then
`pip install math-verify==0.9.0 antlr4-python3-runtime==4.13.2`). --golds: JSON lines with `answer`, judged against
themselves to compare what a verdict costs; without it the right pairs of the table are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ratio, side_by_side, write, write_markdown

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "judge"))

Row = dict[str, Any]
COMPARED = r"""
import json, sys
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
made = []
for row in json.load(sys.stdin):
    gold = parse(row["gold"] if "boxed" in row["gold"] or "$" in row["gold"] else "\\boxed{%s}" % row["gold"])
    made.append(bool(verify(gold, parse(row["completion"]))) if gold else None)
json.dump(made, sys.stdout)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--golds", type=Path)
    parser.add_argument("--newer")
    parser.add_argument("--name", default="judging", help="of the files in benchmarks/results")
    given = parser.parse_args()
    rows = [row for row in (read(given.table) if given.table else from_tests()) if row["right"] is not None]
    judges: dict[str, Callable[[list[Row]], list[bool | None]]] = {
        "the judge": ours,
        "math-verify 0.5.2": lambda rows: child(sys.executable, rows),
        **({"math-verify 0.9.0": lambda rows: child(given.newer, rows)} if given.newer else {}),
        "TRL accuracy_reward": trl,
    }
    verdicts = {name: judge(rows) for name, judge in judges.items()}
    golds = (
        [str(row["answer"]) for row in read(given.golds)] if given.golds else [r["gold"] for r in rows if r["right"]]
    )
    made = {"pairs": len(rows), "golds": cost(golds)}
    write(given.name, made)
    lines = [markdown(rows, verdicts), "", f"Golds against themselves: {made['golds']}"]
    write_markdown(given.name, "The judge beside others", lines)
    print(lines[0])


def read(path: Path) -> list[Row]:
    """Return the rows of a file with JSON lines; golds as texts."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{**row, "gold": str(row["gold"])} if "gold" in row else row for row in rows]


def from_tests() -> list[Row]:
    """Return the pairs of the tests whose gold is readable."""
    from pairs import pairs

    return [
        {
            "kind": p.kind,
            "gold": p.gold,
            "completion": rf"The answer is \boxed{{{p.answer}}}.",
            "right": p.verdict == "right",
        }
        for p in pairs()
        if p.verdict != "unreadable_gold"
    ]


def ours(rows: list[Row]) -> list[bool | None]:
    """Return the verdicts of the judge; None where it abstains."""
    from dra_toolkit.judge.service import JudgeService

    with contextlib.closing(JudgeService(workers=2)) as judge:
        made = judge.judge(golds=[row["gold"] for row in rows], completions=[row["completion"] for row in rows])
    return [None if m.verdict == "unreadable_gold" else m.verdict == "right" for m in made]


def child(python: str, rows: list[Row]) -> list[bool | None]:
    """Return the verdicts of math-verify as another environment has it."""
    done = subprocess.run([python, "-c", COMPARED], input=json.dumps(rows), capture_output=True, text=True, check=True)
    made: list[bool | None] = json.loads(done.stdout.splitlines()[-1])
    return made


def trl(rows: list[Row]) -> list[bool | None]:
    """Return the verdicts of TRL's reward."""
    from trl.rewards import accuracy_reward

    texts = [[{"role": "assistant", "content": row["completion"]}] for row in rows]
    made = accuracy_reward(texts, [row["gold"] for row in rows])
    return [None if value is None else value == 1.0 for value in made]


def markdown(rows: list[Row], verdicts: dict[str, list[bool | None]]) -> str:
    """Return the table: right, accepted wrongly, refused wrongly (abstentions among them), by kind."""
    text = f"{len(rows)} pairs; of each kind: right / accepted wrongly / refused wrongly or abstained.\n\n"
    text += f"| kind | pairs | {' | '.join(verdicts)} |\n| {' | '.join(['---'] * (2 + len(verdicts)))} |\n"
    for kind in [*dict.fromkeys(row["kind"] for row in rows), None]:
        chosen = [i for i, row in enumerate(rows) if kind in (None, row["kind"])]
        cells = []
        for made in verdicts.values():
            outcomes = Counter(outcome(rows[i]["right"], made[i]) for i in chosen)
            cells.append(f"{outcomes['right']} / {outcomes['accepted']} / {outcomes['refused']}")
        text += f"| {kind or '**all**'} | {len(chosen)} | {' | '.join(cells)} |\n"
    return text


def outcome(right: bool, made: bool | None) -> str:
    """Return what a verdict is worth; to abstain is wrong for every answer."""
    if made is None:
        return "refused"
    return "right" if made == right else "accepted" if made else "refused"


def cost(golds: list[str]) -> dict[str, object]:
    """Return what golds against themselves cost, the judge over bare math-verify, in one process without a cache."""
    from math_verify import LatexExtractionConfig, parse, verify

    from dra_toolkit.judge import judging

    config = [LatexExtractionConfig(boxed_match_priority=0)]

    def bare() -> None:
        for gold in golds:
            verify(parse(rf"\boxed{{{gold}}}", config), parse(rf"\boxed{{{gold}}}", config))

    def judged() -> None:
        judging.read_gold.cache_clear()
        judging._read.cache_clear()
        for gold in golds:
            judging.judge(gold, rf"\boxed{{{gold}}}")

    made = side_by_side({"judge": judged, "bare": bare}, rounds=3)
    right = sum(judging.judge(gold, rf"\boxed{{{gold}}}").verdict == "right" for gold in golds)
    return {"golds": len(golds), "right": right, "judge over bare math-verify": ratio(made, "judge", "bare")}


if __name__ == "__main__":
    main()
