"""A report for the terminal, and as plain values for scripts."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.evaluation.comparison import Paired
from dra_toolkit.evaluation.published import NOTE
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.report.texts import points, published_rows
from dra_toolkit.evaluation.selection import Choice
from dra_toolkit.evaluation.statistics import Score
from dra_toolkit.safe_text import visible

NARROW = 100
"""Columns of a terminal below which benchmarks stand in rows of their own."""


def report_view(report: Report, *, metric: str, width: int, published: bool) -> RenderableType:
    """Return the table of scores, the steps that the rules choose, and what could not be read."""
    several = len(report.benchmarks) > 1
    table = Table(box=None, padding=(0, 1), collapse_padding=True)
    table.add_column("model")
    for name in (*report.benchmarks, *(["average"] if several else [])):
        table.add_column(name, justify="right", no_wrap=width >= NARROW)
    for row in report.rows:
        cells = [points(row.score(name, metric)) for name in report.benchmarks]
        mean = [points(report.average(row, metric))] if several else []
        table.add_row(Text(visible(row.label, one_line=True)), *cells, *mean)
    if published:
        for line in published_rows(report):
            table.add_row(*(Text(cell, "dim") for cell in line))
    what = {"avg": "mean accuracy of n samples", "maj": "majority vote of n samples"}.get(metric, metric)
    parts: list[RenderableType] = [
        Text(f"{visible(report.where, one_line=True)}: {what}, per cent ± standard error by problem", "bold"),
        table,
    ]
    parts += [Text(NOTE, "dim")] if published else []
    parts += [_choice(choice) for choice in report.choices]
    parts += [Text(visible(problem, one_line=True), "yellow") for problem in report.problems]
    return Group(*parts)


def _choice(choice: Choice) -> Text:
    text = Text(f"best step {choice.step}").append(f" by {choice.rule}")
    if choice.optimism is not None:
        text.append(f"; expect about {100 * max(0.0, choice.optimism):.1f} points less on other problems", "yellow")
    return text


def comparison_view(found: list[Paired], left: str, right: str) -> RenderableType:
    """Return paired differences with their verdicts in words."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True)
    for head in ("benchmark", "left", "right", "right - left", "95 % interval", "problems"):
        table.add_column(head, justify="left" if head == "benchmark" else "right", no_wrap=True)
    for pair in found:
        table.add_row(
            pair.benchmark,
            f"{100 * pair.left:.1f}",
            f"{100 * pair.right:.1f}",
            f"{100 * pair.difference:+.1f}",
            f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}",
            str(pair.problems),
        )
    title = Text.assemble(
        "left: ", (visible(left, one_line=True), "bold"), "   right: ", (visible(right, one_line=True), "bold")
    )
    verdicts = [Text(f"{pair.benchmark}: {pair.verdict}") for pair in found]
    return Group(title, table, *verdicts)


def as_plain(report: Report) -> dict[str, Any]:
    """Return everything a report knows, as JSON can hold it."""
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
                        "distinct_answers": cell.distinct_answers,
                        "hash_examples": cell.hash_examples,
                        "scores": {metric: plain_score(score) for metric, score in cell.scores.items()},
                    }
                    for name, cell in row.cells.items()
                },
                "average": plain_score(report.average(row)),
            }
            for row in report.rows
        ],
        "choices": [{"step": c.step, "rule": c.rule, "value": c.value, "optimism": c.optimism} for c in report.choices],
        "problems": list(report.problems),
    }


def plain_score(score: Score | None) -> dict[str, Any] | None:
    """Return a score as JSON can hold it."""
    if score is None:
        return None
    error = None if math.isnan(score.error) else score.error
    return {"value": score.value, "error": error, "low": score.low, "high": score.high, "problems": score.problems}
