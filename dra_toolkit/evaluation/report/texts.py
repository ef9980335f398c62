"""A report as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import math

from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.results.published import NOTE, REPORTED, SIZES, Reported
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.safe_text import visible

FORMATS = ("markdown", "latex", "csv")


def as_text(report: Report, format: str, *, metric: str = "avg", published: bool = False) -> str:
    """Return the table of a report in one of `FORMATS`; published: with the figures that others reported below it."""
    if format == "csv":
        return _csv(report, metric, published)
    rows = [*_table(report, metric), *(published_rows(report) if published else [])]
    notes = [visible(note, one_line=True) for note in report.notes] + ([NOTE] if published else [])
    if format == "latex":
        return _latex(rows) + "".join(f"% {note}\n" for note in notes)
    return _markdown(rows) + "".join(f"\n{note.translate(_MARKDOWN)}\n" for note in notes)


def points(score: Score | None) -> str:
    """Return a score in per cent with its standard error in points, the bound at 0 and 100, or a dash."""
    if score is None:
        return "-"
    if score.value == 0:
        return f"0.0 (≤{100 * score.high:.1f})"
    if score.value == 1:
        return f"100 (≥{100 * score.low:.1f})"
    return f"{100 * score.value:.1f}" + ("" if math.isnan(score.error) else f" ± {100 * score.error:.1f}")


def _table(report: Report, metric: str) -> list[list[str]]:
    rows = [["model", *report.benchmarks, *(["average"] if len(report.benchmarks) > 1 else [])]]
    for row in report.rows:
        cells = [points(row.score(name, metric)) for name in report.benchmarks]
        mean = [points(report.average(row, metric))] if len(report.benchmarks) > 1 else []
        rows.append([visible(row.label, one_line=True), *cells, *mean])
    return rows


def published_rows(report: Report) -> list[list[str]]:
    """Return the figures that others reported, as rows beside those of the report; none without a benchmark of the paper.

    Averages stand there only beside averages over the same five benchmarks.
    """
    all_five = set(report.benchmarks) == set(SIZES)
    rows = []
    for each in _reported(report):
        cells = [
            _reported_points(each.scores[name], each.error(name)) if name in each.scores else "-"
            for name in report.benchmarks
        ]
        error, about = each.average_error(), each.about_average_error()
        mean = f"{each.average:.1f}" + (
            "" if math.isnan(about) else f" {'≈' if math.isnan(error) else '±'} {about:.1f}"
        )
        sampled = "" if each.n == 1 else f", n {'unknown' if each.n is None else f'= {each.n}'}"
        name = f"{each.name} ({each.source}{sampled})"
        rows.append([name, *cells, *([mean if all_five else "-"] if len(report.benchmarks) > 1 else [])])
    return rows


def _reported_points(value: float, error: float) -> str:
    return f"{value:.1f}" + ("" if math.isnan(error) else f" ± {error:.1f}")


def _reported(report: Report) -> list[Reported]:
    """Return the rows of others that say something about the benchmarks of a report."""
    asked = set(report.benchmarks)
    return [each for each in REPORTED if asked & set(each.scores) or asked == set(SIZES)]


_MARKDOWN = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"} | {c: f"\\{c}" for c in "\\|[]`*"})


def _markdown(rows: list[list[str]]) -> str:
    shown = [[visible(cell, one_line=True).translate(_MARKDOWN) for cell in line] for line in rows]
    lines = [shown[0], ["---", *("---:" for _ in rows[0][1:])], *shown[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"}
_LATEX |= {"~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}"}
_LATEX |= {"±": "$\\pm$", "≤": "$\\leq$", "≥": "$\\geq$", "≈": "$\\approx$"}


def _latex(rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return " & ".join("".join(_LATEX.get(c, c) for c in visible(cell, one_line=True)) for cell in cells) + " \\\\\n"

    columns = "l" + "r" * (len(rows[0]) - 1)
    body = "".join(line(row) for row in rows[1:])
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{line(rows[0])}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"
    )


def _csv(report: Report, metric: str, published: bool) -> str:
    """Return a row for each cell, in shares, not per cent: for programs, and harmless in a spreadsheet."""
    from dra_toolkit.inspection.export.writers import cell as safe

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["label", "step", "benchmark", "metric", "value", "error", "low", "high", "problems", "n", "source"]
    )
    for row in report.rows:
        for name in report.benchmarks:
            if (found := row.score(name, metric)) is not None:
                cell = row.cells[name]
                writer.writerow(map(safe, [row.label, row.step, name, metric, *_numbers(found), cell.n, cell.source]))
        if (mean := report.average(row, metric)) is not None:
            writer.writerow(map(safe, [row.label, row.step, "average", metric, *_numbers(mean), "", ""]))
    for each in _reported(report) if published else []:
        for name, value in each.scores.items():
            if name in report.benchmarks:
                numbers = [round(value / 100, 6), _share(each.error(name)), "", "", SIZES[name], each.n or "unknown"]
                writer.writerow(map(safe, [each.name, "", name, "avg", *numbers, f"reported: {each.source}"]))
        error = each.about_average_error()
        numbers = [
            round(each.average / 100, 6),
            _share(error),
            "",
            "",
            sum(SIZES.values()),
            each.n or "unknown",
        ]
        if set(report.benchmarks) == set(SIZES):
            writer.writerow(map(safe, [each.name, "", "average", "avg", *numbers, f"reported: {each.source}"]))
    return out.getvalue()


def _share(points: float) -> object:
    return "" if math.isnan(points) else points / 100


def _numbers(score: Score) -> list[object]:
    error = "" if math.isnan(score.error) else score.error
    return [score.value, error, score.low, score.high, score.problems or ""]
