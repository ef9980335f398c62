"""Fill the paper's table from run directories: base model, the step an honest rule chooses, the tempting step, beside what
was reported.

python tools/paper_table.py RUN... [--benchmarks aime24,math_500,amc23,minerva,olympiadbench]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dra_toolkit.errors import DRAError
from dra_toolkit.evaluation.report.about import points
from dra_toolkit.evaluation.report.gather import Report, Row, gather
from dra_toolkit.evaluation.results.published import NOTE, REPORTED, SIZES


def table(reports: Sequence[Report], benchmarks: Sequence[str]) -> str:
    """Return the table as Markdown; a cell that was not evaluated is a dash."""
    head = ["run", "step, and how it was chosen", "n", *benchmarks, "average"]
    rows = [cells for report in reports for cells in _rows(report, benchmarks)]
    rows += [_reported(row, benchmarks) for row in REPORTED]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{NOTE}\n"


def _rows(report: Report, benchmarks: Sequence[str]) -> Iterator[list[str]]:
    by_step = {row.step: row for row in report.rows}
    if 0 in by_step:
        yield _cells(report, by_step[0], "0, the base model", benchmarks)
    for choice in report.choices:
        flattered = f"; about {100 * max(0.0, choice.optimism):.1f} points too high" if choice.optimism else ""
        if choice.step in by_step:
            yield _cells(report, by_step[choice.step], f"{choice.step}, by {choice.rule}{flattered}", benchmarks)


def _cells(report: Report, row: Row, step: str, benchmarks: Sequence[str]) -> list[str]:
    samples = sorted({cell.n for name, cell in row.cells.items() if name in benchmarks})
    scores = [points(row.score(name)) for name in benchmarks]
    whole = set(report.benchmarks) == set(benchmarks)
    return [
        Path(report.where).name,
        step,
        " and ".join(map(str, samples)),
        *scores,
        points(report.average(row) if whole else None),
    ]


def _reported(row: object, benchmarks: Sequence[str]) -> list[str]:
    from dra_toolkit.evaluation.results.published import Reported

    assert isinstance(row, Reported)
    scores = [points(row.score(name)) for name in benchmarks]
    mean = points(row.score("")) if row.is_whole else f"{row.average:.1f}"
    return [
        f"{row.name} (reported)",
        "",
        str(row.n or "unknown"),
        *scores,
        mean if set(benchmarks) == set(SIZES) else "-",
    ]


def main() -> int:
    """Print the table; a run that cannot be read is named on stderr and left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--benchmarks", default=",".join(SIZES))
    arguments = parser.parse_args()
    reports, problems = [], list[str]()
    for run in arguments.runs:
        try:
            reports.append(gather(run))
        except DRAError as error:
            problems += error.problems
    print(table(reports, arguments.benchmarks.split(",")), end="")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
