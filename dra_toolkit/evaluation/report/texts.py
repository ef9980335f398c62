"""A report as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import math

from dra_toolkit.evaluation.published import NOTE, REPORTED, SIZES
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.statistics import Score
from dra_toolkit.safe_text import visible

FORMATS = ("markdown", "latex", "csv")


def as_text(report: Report, format: str, *, metric: str = "avg", published: bool = False) -> str:
    """Return the table of a report in one of `FORMATS`; published: with the figures that others reported below it."""
    table = _table(report, metric)
    rows = [*table, *(published_rows(report) if published else [])]
    if format == "csv":
        return _csv(report, metric)
    return _latex(rows) if format == "latex" else _markdown(rows) + (f"\n{NOTE}\n" if published else "")


def points(score: Score | None) -> str:
    """Return a score in per cent with its standard error in points, or a dash."""
    if score is None:
        return "-"
    if score.value in (0.0, 1.0):
        return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
    return f"{100 * score.value:.1f}" + ("" if math.isnan(score.error) else f" ± {100 * score.error:.1f}")


def _table(report: Report, metric: str) -> list[list[str]]:
    rows = [["model", *report.benchmarks, *(["average"] if len(report.benchmarks) > 1 else [])]]
    for row in report.rows:
        cells = [points(row.score(name, metric)) for name in report.benchmarks]
        mean = [points(report.average(row, metric))] if len(report.benchmarks) > 1 else []
        rows.append([visible(row.label, one_line=True), *cells, *mean])
    return rows


def published_rows(report: Report) -> list[list[str]]:
    """Return the figures that others reported, as rows beside those of the report; none without a benchmark of the paper."""
    if not set(report.benchmarks) & set(SIZES):
        return []
    rows = []
    for each in REPORTED:
        if not set(each.scores) & set(report.benchmarks) and set(report.benchmarks) != set(SIZES):
            continue
        cells = [
            f"{each.scores[name]:.1f} ± {each.error(name):.1f}" if name in each.scores else "-"
            for name in report.benchmarks
        ]
        error = each.average_error()
        mean = f"{each.average:.1f}" + ("" if math.isnan(error) else f" ± {error:.1f}")
        comparable = set(report.benchmarks) == set(SIZES)
        name = f"{each.name} (reported: {each.source})"
        rows.append([name, *cells, *([mean if comparable else "-"] if len(report.benchmarks) > 1 else [])])
    return rows


def _markdown(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---", *("---:" for _ in rows[0][1:])], *rows[1:]]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"±": "$\\pm$", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
_LATEX |= {"\\": "\\textbackslash{}"}


def _latex(rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return " & ".join("".join(_LATEX.get(c, c) for c in cell) for cell in cells) + " \\\\\n"

    columns = "l" + "r" * (len(rows[0]) - 1)
    body = "".join(line(row) for row in rows[1:])
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{line(rows[0])}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"
    )


def _csv(report: Report, metric: str) -> str:
    """Return a row for each cell, in shares, not per cent: for programs, and harmless in a spreadsheet."""
    from dra_toolkit.inspection.export.csv_file import cell as safe

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["label", "step", "benchmark", "metric", "value", "error", "low", "high", "problems", "n", "source"]
    )
    for row in report.rows:
        for name in report.benchmarks:
            found = row.score(name, metric)
            if found is not None:
                cell = row.cells[name]
                numbers = [found.value, found.error, found.low, found.high, found.problems, cell.n]
                writer.writerow(map(safe, [row.label, row.step, name, metric, *numbers, cell.source]))
        mean = report.average(row, metric)
        if mean is not None:
            numbers = [mean.value, mean.error, mean.low, mean.high, mean.problems]
            writer.writerow(map(safe, [row.label, row.step, "average", metric, *numbers, "", ""]))
    return out.getvalue()
