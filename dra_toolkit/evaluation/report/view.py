"""A report for the terminal, and as plain values for scripts."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.errors import counted
from dra_toolkit.evaluation.report.about import CONVENTION, about, choice_text, findings, title
from dra_toolkit.evaluation.report.answers import HEADS, Measured, answer_rows, distinct_answers, sampled_pass
from dra_toolkit.evaluation.report.flips import Flip
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.report.texts import published_rows, score_table
from dra_toolkit.evaluation.results.published import NOTE
from dra_toolkit.evaluation.statistics.comparison import Paired
from dra_toolkit.inspection.plain import plain
from dra_toolkit.safe_text import visible

_shown = partial(visible, one_line=True)
LABEL = 24
"""Columns of a terminal that labels may take at most; longer ones are folded."""


def report_view(
    report: Report, *, metrics: Sequence[str], width: int, published: bool, detect: float | None = None
) -> RenderableType:
    """Return the scores, the answers behind them, the steps chosen, what is shown at all, and what is damaged."""
    table = score_table(report, metrics)
    parts: list[RenderableType] = [Text(_shown(title(report, metrics)), "bold")]
    parts += [*_tables(table.heads, table.rows, width), Text(CONVENTION, "dim")]
    if published:
        others = _tables(["reported by others", *table.heads[1:]], published_rows(report), width)
        parts += [Text(""), *others, Text(NOTE, "dim")]
    if answers := answer_rows(report):
        parts += [Text(""), *_tables(HEADS, answers, width), Text("")]
    parts += [*_texts(report.notes, "dim"), *_texts(choice_text(report, choice) for choice in report.choices)]
    if report.choices and not any(choice.honest for choice in report.choices):
        parts.append(Text("no rule that leaves these benchmarks out: training rewards are not known; see --held-out"))
    return Group(*parts, *_texts(findings(report, detect)), *_texts(report.problems, "yellow"))


def _texts(lines: Iterable[str], style: str = "") -> list[Text]:
    return [Text(_shown(line), style) for line in lines]


def _tables(heads: list[str], lines: list[list[str]], width: int) -> list[Table]:
    """Return one table, or several below each other where not all columns fit side by side; a score is never broken."""
    heads, lines = list(map(_shown, heads)), [list(map(_shown, line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(heads, *(line[: len(heads)] for line in lines), strict=True)]
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
            table.add_row(*map(Text, (line[0], *line[first:i])))
        tables.append(table)
    return tables


def diversity_view(report: Report, measured: Measured, width: int = 100) -> RenderableType:
    """Return how different the samples of a problem are, beside pass@1 and pass@n; averages over the benchmarks."""
    lines = []
    for row in report.rows:
        if passed := sampled_pass(row):
            k, found = max(passed), measured.get(row.label, {})
            means = [f"{found[name]:.3f}" if name in found else "-" for name in ("similarity", "vendi_score")]
            ends = [f"{100 * passed[1]:.1f}", f"{100 * passed[k]:.1f} (n {k})", f"{distinct_answers(row) or 0:.2f}"]
            lines.append([row.label, *ends, *means])
    heads = ["model", "pass@1", "pass@n", "distinct answers", "similarity", "Vendi score"]
    nothing = Text("no problem was sampled more than once, so there is no diversity to show")
    return Group(Text("samples of a problem", "bold"), *_tables(heads, lines, width)) if lines else nothing


def comparison_view(
    found: Sequence[Paired], left: str, right: str, notes: Sequence[str], power: Sequence[str], *, width: int
) -> RenderableType:
    """Return differences with their verdicts in words, and what limits them."""
    heads = ["benchmark", "left", "right", "difference", "95 % interval", "p", "corrected", "problems"]
    lines = [
        [
            pair.benchmark[:LABEL],
            *(f"{100 * share:.1f}" for share in (pair.left, pair.right)),
            f"{100 * pair.difference:+.1f}",
            "-" if math.isnan(pair.interval.low) else pair.reach,
            *("-" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}" for p in (pair.p, pair.p_adjusted)),
            str(pair.problems or "?"),
        ]
        for pair in found
    ]
    head = Text.assemble("left: ", (_shown(left), "bold"), "   right: ", (_shown(right), "bold"))
    verdicts = _texts(f"{pair.benchmark}: {pair.verdict}" for pair in found)
    return Group(head, *_tables(heads, lines, width), *verdicts, *_texts(power, "dim"), *_texts(notes, "yellow"))


def flips_view(count: int, found: Sequence[Flip], characters: int = 300) -> RenderableType:
    """Return the clearest of the problems that flipped, each with an answer of both sides, its end if it is long."""
    parts: list[Text] = [Text(f"{counted(count, 'problem')} flipped" + (":" if found else ""), "bold")]
    for flip in found:
        name = f"\n{_shown(flip.benchmark)} {_shown(str(flip.problem))}  gold {_shown(flip.gold)[:80]}"
        parts.append(Text(name, "bold"))
        if flip.query:
            parts.append(Text(_shown(flip.query[-characters:]), "dim"))
        for side in (flip.left, flip.right):
            right = f"{100 * side.right:.0f} % right"
            head = f"{_shown(side.label)}, {right}, {side.tokens} tokens, ends by {side.finish}: "
            end = ("..." if len(side.completion) > characters else "") + side.completion[-characters:]
            parts.append(Text.assemble((head, "green" if side.right > 0.5 else "red"), _shown(end)))
    return Group(*parts)


def plain_pair(pair: Paired) -> dict[str, Any]:
    """Return a comparison as JSON can hold it."""
    told = {name: getattr(pair, name) for name in ("difference", "p_adjusted", "verdict")}
    kept = {**vars(pair), **vars(pair.interval), **told}
    del kept["interval"], kept["corrected"]
    return {name: plain(value) for name, value in kept.items()}


def as_plain(
    report: Report, metrics: Sequence[str], detect: float | None = None, diversity: Measured | None = None
) -> dict[str, Any]:
    """Return everything a report knows, as JSON can hold it; metrics: the first's average over the benchmarks is told."""
    kept = ("n", "source", "distinct_answers", "hash_examples", "settings", "answers", "scores")
    rows = [
        {
            "label": row.label,
            "step": row.step,
            "benchmarks": {name: {k: getattr(cell, k) for k in kept} for name, cell in row.cells.items()},
            "average": report.average(row, metrics[0]),
        }
        for row in report.rows
    ]
    told = {name: getattr(report, name) for name in ("where", "benchmarks", "choices", "notes", "problems")}
    found = {
        "title": title(report, metrics),
        **told,
        "about": about(report),
        "rows": rows,
        "findings": findings(report, detect),
    }
    found |= {} if diversity is None else {"diversity": diversity}
    return {name: plain(value) for name, value in found.items()}
