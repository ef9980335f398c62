"""Seconds of each test file, from what pytest said:  python tools/test_seconds.py before.log after.log [--least 5]

Each log is the output of `pytest -n 2 --durations=0 --durations-min=0.1`: seconds in which a worker was busy with a test.
A file is old if it stood in the repository at the commit of --since.
"""

import argparse
import re
import subprocess
from collections import Counter
from pathlib import Path

LINE = re.compile(r"^\s*([\d.]+)s (?:call|setup|teardown)\s+(tests/\S+?\.py)::", re.MULTILINE)


def main() -> None:
    """Print a table in Markdown: every file of at least so many seconds, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--least", type=float, default=20.0, help="seconds of a file that has a line of its own")
    parser.add_argument("--since", default="6814440", help="files that stood here at this commit are old")
    given = parser.parse_args()
    found = [seconds(log.read_text(errors="replace")) for log in given.logs]
    listed = ["git", "ls-tree", "-r", "--name-only", given.since, "tests"]
    old = {Path(name).name for name in subprocess.check_output(listed, text=True).splitlines()}
    every = sorted(set().union(*found), key=lambda name: -max(of[name] for of in found))
    print(f"| test file | {' | '.join(log.stem for log in given.logs)} |")
    print(f"|---|{'---:|' * len(found)}")
    for name in every:
        if max(of[name] for of in found) >= given.least:
            row(name + ("" if Path(name).name in old else " (new)"), [of[name] for of in found])
    row(f"**files of {given.since}**", [sum(s for name, s in of.items() if Path(name).name in old) for of in found])
    row("**all**", [sum(of.values()) for of in found])


def seconds(said: str) -> Counter[str]:
    """Return the seconds of each file, its fixtures included."""
    sums: Counter[str] = Counter()
    for spent, name in LINE.findall(said):
        sums[name] += float(spent)
    return sums


def row(name: str, values: list[float]) -> None:
    """Print a row."""
    print(f"| {name} | {' | '.join(f'{value:.0f}' if value else '-' for value in values)} |")


if __name__ == "__main__":
    main()
