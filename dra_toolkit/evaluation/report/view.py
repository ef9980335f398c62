"""A report for the terminal, and as plain values for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.evaluation.report.about import CONVENTION, about, choice_text, findings, title
from dra_toolkit.evaluation.report.answers import HEADS, Flip, answer_rows
from dra_toolkit.evaluation.report.diversity import Measured, distinct_answers, sampled_pass
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.report.texts import published_rows, score_table
from dra_toolkit.evaluation.results.published import NOTE
from dra_toolkit.evaluation.statistics.comparison import Paired
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.safe_text import visible

LABEL = 24
"""Columns of a terminal that labels may take at most; longer ones are folded."""
SHORT = {"olympiadbench": "olympiad"}


def report_view(
    report: Report, *, metrics: Sequence[str], width: int, published: bool, detect: float | None = None
) -> RenderableType:
    """Return the scores, the answers behind them, the steps that the rules choose, what is shown, and what is damaged.

    detect: a difference, in points, that is asked about.
    """
    table = score_table(report, metrics)
    parts: list[RenderableType] = [Text(visible(title(report, metrics), one_line=True), "bold")]
    parts += [*_tables(table.heads, table.rows, width), Text(CONVENTION, "dim")]
    if published:
        heads = ["reported by others", *table.heads[1:]]
        others = published_rows(report)
        shown = _tables(heads, others, width, sparse=True)
        if len(shown) > 1:
            shown = _tables(heads, [[cell.replace(" ± ", "±") for cell in line] for line in others], width, sparse=True)
        parts += [Text(""), *shown, Text(NOTE, "dim")]
    if answers := [[visible(cell, one_line=True) for cell in row] for row in answer_rows(report)]:
        parts += [Text(""), *_tables(HEADS, answers, width), Text("")]
    parts += [Text(visible(note, one_line=True), "dim") for note in report.notes]
    parts += [Text(visible(choice_text(report, choice), one_line=True)) for choice in report.choices]
    if report.choices and not any(choice.honest for choice in report.choices):
        parts.append(Text("no rule that leaves these benchmarks out: training rewards are not known; see --held-out"))
    parts += [Text(visible(line, one_line=True)) for line in findings(report, detect)]
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


def diversity_view(report: Report, measured: Measured, width: int = 100) -> RenderableType:
    """Return how different the samples of a problem are, beside pass@1 and pass@n; averages over the benchmarks."""
    lines = []
    for row in report.rows:
        if passed := sampled_pass(row):
            k, found = max(passed), measured.get(row.label, {})
            means = [f"{found[name].value:.3f}" if name in found else "-" for name in ("similarity", "vendi_score")]
            ends = [f"{100 * passed[1]:.1f}", f"{100 * passed[k]:.1f} (n {k})", f"{distinct_answers(row) or 0:.2f}"]
            lines.append([visible(row.label, one_line=True), *ends, *means])
    heads = ["model", "pass@1", "pass@n", "distinct answers", "similarity", "Vendi score"]
    nothing = Text("no problem was sampled more than once, so there is no diversity to show")
    return Group(Text("samples of a problem", "bold"), *_tables(heads, lines, width)) if lines else nothing


def comparison_view(
    found: Sequence[Paired],
    left: str,
    right: str,
    notes: Sequence[str] = (),
    power: Sequence[str] = (),
    *,
    width: int = 80,
) -> RenderableType:
    """Return differences with their verdicts in words, and what limits them."""
    heads = ["benchmark", "left", "right", "difference", "95 % interval", "p", "corrected", "problems"]
    lines = [
        [
            visible(pair.benchmark, one_line=True)[:LABEL],
            *(f"{100 * share:.1f}" for share in (pair.left, pair.right)),
            f"{100 * pair.difference:+.1f}",
            "-" if math.isnan(pair.interval.low) else pair.reach,
            *("-" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}" for p in (pair.p, pair.p_adjusted)),
            str(pair.problems or "?"),
        ]
        for pair in found
    ]
    title = Text.assemble(
        "left: ", (visible(left, one_line=True), "bold"), "   right: ", (visible(right, one_line=True), "bold")
    )
    verdicts = [Text(f"{visible(pair.benchmark, one_line=True)}: {pair.verdict}") for pair in found]
    told = [Text(visible(line, one_line=True), "dim") for line in power]
    return Group(
        title,
        *_tables(heads, lines, width),
        *verdicts,
        *told,
        *(Text(visible(note, one_line=True), "yellow") for note in notes),
    )


def flips_view(found: Sequence[Flip], most: int, characters: int = 300) -> RenderableType:
    """Return the clearest of the problems that flipped, each with an answer of both sides, its end if it is long."""
    parts: list[Text] = [Text(f"{len(found)} problems flipped" + (":" if found else ""), "bold")]
    for flip in found[:most]:
        parts.append(
            Text(f"\n{visible(flip.benchmark)} {flip.problem}  gold {visible(flip.gold, one_line=True)[:80]}", "bold")
        )
        if flip.query:
            parts.append(Text(visible(flip.query[-characters:], one_line=True), "dim"))
        for side in (flip.left, flip.right):
            head = (
                f"{visible(side.label)}, {100 * side.right:.0f} % right, {side.tokens} tokens, ends by {side.finish}: "
            )
            end = ("..." if len(side.completion) > characters else "") + side.completion[-characters:]
            parts.append(Text.assemble((head, "green" if side.right > 0.5 else "red"), visible(end, one_line=True)))
    return Group(*parts)


def plain_pair(pair: Paired) -> dict[str, Any]:
    """Return a comparison as JSON can hold it."""
    told = {name: getattr(pair, name) for name in ("difference", "p_adjusted", "verdict")}
    kept = {**asdict(pair), **asdict(pair.interval), **told}
    del kept["interval"], kept["corrected"]
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in kept.items()}


def as_plain(report: Report, metrics: Sequence[str] = ("avg",), detect: float | None = None) -> dict[str, Any]:
    """Return everything a report knows, as JSON can hold it; metrics: the first's average over the benchmarks is told."""
    kept = ("n", "source", "distinct_answers", "hash_examples")
    return {
        "where": report.where,
        "about": about(report),
        "benchmarks": list(report.benchmarks),
        "rows": [
            {
                "label": row.label,
                "step": row.step,
                "benchmarks": {
                    name: {
                        **{each: getattr(cell, each) for each in kept},
                        "settings": dict(cell.settings),
                        "answers": asdict(cell.answers) if cell.answers else None,
                        "scores": {metric: plain_score(score) for metric, score in cell.scores.items()},
                    }
                    for name, cell in row.cells.items()
                },
                "average": plain_score(report.average(row, metrics[0])),
            }
            for row in report.rows
        ],
        "choices": [asdict(choice) for choice in report.choices],
        "findings": findings(report, detect),
        "notes": list(report.notes),
        "problems": list(report.problems),
    }


def plain_score(score: Score | None) -> dict[str, Any] | None:
    """Return a score as JSON can hold it."""
    if score is None:
        return None
    error = None if math.isnan(score.error) else score.error
    return {"value": score.value, "error": error, "low": score.low, "high": score.high, "problems": score.problems}
