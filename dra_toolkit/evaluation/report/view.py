"""A report for the terminal, and as plain values for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.evaluation.report.diversity import Measured, distinct_answers, sampled_pass
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.report.texts import points, published_rows
from dra_toolkit.evaluation.results.published import NOTE
from dra_toolkit.evaluation.statistics.best_step import Choice
from dra_toolkit.evaluation.statistics.comparison import AVERAGE, Paired
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.safe_text import visible

LABEL = 24
"""Columns of a terminal that labels may take at most; longer ones are folded."""
SHORT = {"olympiadbench": "olympiad"}


def report_view(report: Report, *, metric: str, width: int, published: bool) -> RenderableType:
    """Return the table of scores, the steps that the rules choose, and what could not be read."""
    what = {"avg": "mean accuracy of n samples", "maj": "majority vote of n samples"}.get(metric, metric)
    title = f"{visible(report.where, one_line=True)}: {what}, per cent ± standard error by problem"
    names = list(report.benchmarks)
    if len(names) > 1:
        names.append("average")
    lines = []
    for row in report.rows:
        scores = [*(row.score(name, metric) for name in report.benchmarks), report.average(row, metric)]
        lines.append([visible(row.label, one_line=True), *map(points, scores)])
    parts: list[RenderableType] = [Text(title, "bold"), *_tables(["model", *names], lines, width)]
    if published:
        others = published_rows(report)
        told = _tables(["reported by others", *names], others, width, sparse=True)
        if len(told) > 1:
            others = [[cell.replace(" ± ", "±") for cell in line] for line in others]
            told = _tables(["reported by others", *names], others, width, sparse=True)
        parts += [Text(""), *told, Text(NOTE, "dim")]
    parts += [Text(visible(note, one_line=True), "dim") for note in report.notes]
    parts += [_choice(report, choice) for choice in report.choices]
    if report.choices and not any(choice.honest for choice in report.choices):
        parts.append(Text("no rule that leaves these benchmarks out: training rewards are not known; see --held-out"))
    parts += [Text(visible(problem, one_line=True), "yellow") for problem in report.problems]
    return Group(*parts)


def _tables(head: list[str], lines: list[list[str]], width: int, *, sparse: bool = False) -> list[Table]:
    """Return one table, or several below each other where not all columns fit side by side; a score is never broken.

    sparse: leave out rows that have nothing in the columns of a table.
    """
    heads = [SHORT.get(name, name) for name in head]
    widths = [
        max(len(cell) for cell in column) for column in zip(heads, *(line[: len(heads)] for line in lines), strict=True)
    ]
    label = min(LABEL, widths[0])
    gap = 2 if label + sum(widths[1:]) + 2 * (len(heads) - 1) <= width else 1
    tables: list[Table] = []
    i = 1
    while i < len(heads) and lines:
        first, used = i, label
        while i < len(heads) and (i == first or used + gap + widths[i] <= width):
            used += gap + widths[i]
            i += 1
        table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
        table.add_column(heads[0], overflow="fold", width=label)
        for j in range(first, i):
            table.add_column(heads[j], justify="right", width=widths[j], overflow="fold")
        for line in lines:
            if not sparse or any(line[j] != "-" for j in range(first, i)):
                table.add_row(*map(Text, (line[0], *line[first:i])))
        tables.append(table)
    return tables


def _choice(report: Report, choice: Choice) -> Text:
    """Return what a rule chooses, what that step scores here, and by how much that flatters it."""
    of = f" of {visible(choice.experiment, one_line=True)}" if choice.experiment else ""
    text = Text(f"best step {choice.step}{of} by {choice.rule}")
    row = next((row for row in report.rows if row.label == choice.label), None)
    if row is not None:
        here = report.average(row) if len(report.benchmarks) > 1 else row.score(report.benchmarks[0])
        text.append("" if here is None else f": {points(here)}")
    if choice.optimism is not None:
        text.append(f"; expect about {100 * max(0.0, choice.optimism):.1f} points less on other problems", "yellow")
    elif choice.optimism_at_most is not None:
        most = f"{100 * choice.optimism_at_most:.1f}"
        text.append(f"; by luck alone the best of equal steps would look {most} points better than it is", "yellow")
    return text


def diversity_view(report: Report, measured: Measured) -> RenderableType:
    """Return how different the samples of a problem are, beside pass@1 and pass@n; averages over the benchmarks."""
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, title="samples of a problem", title_justify="left")
    table.add_column("model", overflow="fold", max_width=LABEL)
    for head in ("pass@1", "pass@n", "distinct answers", "similarity", "Vendi score"):
        table.add_column(head, justify="right")
    for row in report.rows:
        passed, distinct = sampled_pass(row), distinct_answers(row)
        if not passed:
            continue
        k = max(passed)
        ends = (f"{100 * passed[1]:.1f}" if 1 in passed else "-", f"{100 * passed[k]:.1f} (n {k})")
        found = measured.get(row.label, {})
        means = [f"{found[name].value:.3f}" if name in found else "-" for name in ("similarity", "vendi_score")]
        table.add_row(
            Text(visible(row.label, one_line=True)), *ends, "-" if distinct is None else f"{distinct:.2f}", *means
        )
    return table if table.row_count else Text("no problem was sampled more than once, so there is no diversity to show")


def comparison_view(
    found: Sequence[Paired], left: str, right: str, notes: Sequence[str] = (), *, width: int = 80
) -> RenderableType:
    """Return differences with their verdicts in words, and what limits them."""
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False)
    for head in ("benchmark", "left", "right", "difference", "95 % interval", "p", "problems"):
        table.add_column(head, justify="left" if head == "benchmark" else "right", no_wrap=True)
    for pair in found:
        table.add_row(
            visible(pair.benchmark, one_line=True)[: max(10, width - 60)],
            f"{100 * pair.left:.1f}",
            f"{100 * pair.right:.1f}",
            f"{100 * pair.difference:+.1f}",
            "-" if math.isnan(pair.low) else f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}",
            "-" if math.isnan(pair.p) else "<0.001" if pair.p < 0.001 else f"{pair.p:.3f}",
            str(pair.problems or "?"),
        )
    title = Text.assemble(
        "left: ", (visible(left, one_line=True), "bold"), "   right: ", (visible(right, one_line=True), "bold")
    )
    last = found[-1]
    power = [] if math.isnan(last.detectable) else [Text(_power(last), "dim")]
    verdicts = [Text(f"{visible(pair.benchmark, one_line=True)}: {pair.verdict}") for pair in found]
    return Group(title, table, *verdicts, *power, *(Text(visible(note, one_line=True), "yellow") for note in notes))


def _power(pair: Paired) -> str:
    what = "the average" if pair.benchmark == AVERAGE else visible(pair.benchmark, one_line=True)
    return (
        f"these answers show a true difference of {100 * pair.detectable:.1f} points of {what} four times in five, smaller "
        "ones less often; p in the table is of one benchmark alone, in words after correction for their number"
    )


def plain_pair(pair: Paired) -> dict[str, Any]:
    """Return a comparison as JSON can hold it."""
    values = {**asdict(pair), "verdict": pair.verdict}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def as_plain(report: Report, metric: str = "avg") -> dict[str, Any]:
    """Return everything a report knows, as JSON can hold it; metric: the one whose average over the benchmarks is told."""
    return {
        "where": report.where,
        "benchmarks": list(report.benchmarks),
        "rows": [
            {
                "label": row.label,
                "step": row.step,
                "benchmarks": {
                    name: {
                        "n": cell.n,
                        "source": cell.source,
                        "settings": dict(cell.settings),
                        "distinct_answers": cell.distinct_answers,
                        "hash_examples": cell.hash_examples,
                        "scores": {metric: plain_score(score) for metric, score in cell.scores.items()},
                    }
                    for name, cell in row.cells.items()
                },
                "average": plain_score(report.average(row, metric)),
            }
            for row in report.rows
        ],
        "choices": [asdict(choice) for choice in report.choices],
        "notes": list(report.notes),
        "problems": list(report.problems),
    }


def plain_score(score: Score | None) -> dict[str, Any] | None:
    """Return a score as JSON can hold it."""
    if score is None:
        return None
    error = None if math.isnan(score.error) else score.error
    return {"value": score.value, "error": error, "low": score.low, "high": score.high, "problems": score.problems}
