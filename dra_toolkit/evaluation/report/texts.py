"""A report as Markdown, LaTeX, HTML or CSV, each saying itself what it shows."""

import csv
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from string import Template
from typing import Any

from dra_toolkit.evaluation.report.about import CONVENTION, SHOWN, about, findings, points, title
from dra_toolkit.evaluation.report.answers import HEADS, answer_rows
from dra_toolkit.evaluation.report.gather import Report, Row, limits
from dra_toolkit.evaluation.results.published import NOTE, REPORTED, SIZES, Reported
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.safe_text import visible


@dataclass(frozen=True)
class Table:
    """Texts in rows below their heads, the first column of labels; `bold` names those that stand out."""

    heads: list[str]
    rows: list[list[str]]
    bold: frozenset[tuple[int, int]] = frozenset()


def as_text(
    report: Report,
    format: str,
    *,
    metrics: Sequence[str] = ("avg",),
    published: bool = False,
    detect: float | None = None,
    figures: Mapping[str, str] | None = None,
) -> str:
    """Return a report as markdown, latex, html or csv; published: with the figures that others reported below it.

    detect: a difference, in points, that is asked about; figures: SVG pictures by name, for the page.
    """
    if format == "csv":
        return _csv(report, metrics, published)
    table = score_table(report, metrics)
    if published:
        table = Table(table.heads, [*table.rows, *published_rows(report)], table.bold)
    told = [f"{name}: {line}" for name, line in about(report).items()]
    told += [visible(line, one_line=True) for line in (*findings(report, detect), *report.notes, *report.problems)]
    told += [NOTE] if published else []
    head = visible(title(report, metrics), one_line=True)
    second = Table(HEADS, [[visible(cell, one_line=True) for cell in row] for row in answer_rows(report)])
    if format == "latex":
        return _latex(table, head, told)
    write = _html if format == "html" else _markdown
    return write(head, [each for each in (table, second) if each.rows], told, figures or {})


def score_table(report: Report, metrics: Sequence[str]) -> Table:
    """Return the scores, a column for each benchmark and metric; the best of a column is bold."""
    places = [(name, metric) for name in report.benchmarks for metric in metrics]
    places += [("", metric) for metric in metrics if len(report.benchmarks) > 1]
    heads = [f"{name or 'average'} {metric}" if len(metrics) > 1 else name or "average" for name, metric in places]
    scores = [[score_of(report, row, *place) for place in places] for row in report.rows]
    rows = [
        [visible(row.label, one_line=True), *map(points, line)] for row, line in zip(report.rows, scores, strict=True)
    ]
    bold = set()
    for column, found in enumerate(zip(*scores, strict=True), start=1):
        best = max((score.value for score in found if score), default=None)
        bold |= {(row, column) for row, score in enumerate(found) if score and score.value == best and len(found) > 1}
    return Table(["model", *heads], rows, frozenset(bold))


def score_of(report: Report, row: Row, benchmark: str, metric: str) -> Score | None:
    """Return a score of a row; the average over the benchmarks for an empty `benchmark`."""
    return row.score(benchmark, metric) if benchmark else report.average(row, metric)


def published_rows(report: Report) -> list[list[str]]:
    """Return the figures that others reported, as rows beside those of the report; none without a benchmark of the paper."""
    rows = []
    for each in _reported(report):
        sampled = "" if each.n == 1 else f", n {'unknown' if each.n is None else f'= {each.n}'}"
        told = [points(score) for _, score in _reported_scores(report, each)]
        if not each.is_whole:
            told[-1] = told[-1].replace("±", "≈")
        rows.append([f"{each.name} ({each.source}{sampled})", *told])
    return rows


def _reported_scores(report: Report, each: Reported) -> list[tuple[str, Score | None]]:
    """Return a reported row's scores; its average stands only beside averages over the same five benchmarks."""
    scores = [(name, each.score(name)) for name in report.benchmarks]
    average = each.score("") if set(report.benchmarks) == set(SIZES) else None
    return [*scores, ("average", average)] if len(scores) > 1 else scores


def _reported(report: Report) -> list[Reported]:
    """Return the rows of others that say something about the benchmarks of a report."""
    asked = set(report.benchmarks)
    return [each for each in REPORTED if asked & set(each.scores) or asked == set(SIZES)]


def _marked(table: Table, safe: Callable[[str], str], strong: str) -> list[list[str]]:
    """Return the heads and rows as a format writes them: escaped, and `strong` where they stand out."""
    rows = [
        [strong.format(safe(cell)) if (r, c) in table.bold else safe(cell) for c, cell in enumerate(row)]
        for r, row in enumerate(table.rows)
    ]
    return [list(map(safe, table.heads)), *rows]


_MARKDOWN = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"} | {c: f"\\{c}" for c in "\\|[]`*_{}#~$"})


def _markdown(head: str, tables: Sequence[Table], told: Sequence[str], figures: Mapping[str, str]) -> str:
    def safe(text: str) -> str:
        return text.translate(_MARKDOWN)

    parts = [f"# {safe(head)}\n"]
    for table in tables:
        heads, *body = _marked(table, safe, "**{}**")
        ruler = ["---", *("---:" for _ in heads[1:])]
        parts.append("".join(f"| {' | '.join(cells)} |\n" for cells in (heads, ruler, *body)))
    return "\n".join([*parts, *(f"{safe(each)}\n" for each in told)])


def _html(head: str, tables: Sequence[Table], told: Sequence[str], figures: Mapping[str, str]) -> str:
    parts = []
    for table in tables:
        heads, *body = _marked(table, html.escape, "<b>{}</b>")
        lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in body]
        parts.append(f"<table><tr>{''.join(f'<th>{each}</th>' for each in heads)}</tr>\n{''.join(lines)}</table>")
    parts += [picture[picture.index("<svg") :] for picture in figures.values()]
    parts += [f"<p>{html.escape(each)}</p>" for each in told]
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return page.format(title=html.escape(head), body="\n".join(parts))


_LATEX = json.loads(Path(__file__).with_name("latex.json").read_text(encoding="utf-8"))
"""What stands for a character, or for an accent over a letter."""


def as_latex(text: str) -> str:
    """Return a text as every engine of LaTeX takes it.

    pdfLaTeX has no letters such as Chinese ones: it shows their numbers, LuaLaTeX and XeLaTeX show the letters themselves.
    """
    found = re.findall(r".[\u0300-\u036f]*", unicodedata.normalize("NFC", text))
    return re.sub("-(?=-)", "-{}", "".join(map(_as_latex, found)))


def _as_latex(letter: str) -> str:
    base, *accents = list(unicodedata.normalize("NFD", letter))
    if letter in _LATEX or letter.isascii():
        return str(_LATEX.get(letter, letter))
    if len(accents) == 1 and accents[0] in _LATEX and base.isascii() and base.isalpha():
        return f"{_LATEX[accents[0]].removesuffix('{}')}{{{base}}}"
    return "".join(map(_as_latex, letter)) if len(letter) > 1 else f"\\draletter{{{letter}}}{{U+{ord(letter):04X}}}"


def _latex(table: Table, head: str, told: Sequence[str]) -> str:
    heads, *body = (" & ".join(cells) + " \\\\\n" for cells in _marked(table, as_latex, "\\textbf{{{}}}"))
    columns = "l" + "r" * (len(table.heads) - 1)
    caption = ". ".join([as_latex(head), *(as_latex(each.rstrip(".")) for each in told)])
    form = Template(Path(__file__).with_name("table.tex").read_text(encoding="utf-8"))
    return form.substitute(columns=columns, heads=heads, body="".join(body), caption=caption)


FACTS = ("model", "run", "backend", "versions", "finished", "hash_examples", "note")


def _csv(report: Report, metrics: Sequence[str], published: bool) -> str:
    """Return a row for each score, in shares, not per cent: for programs, and harmless in a spreadsheet."""
    from dra_toolkit.inspection.export.exporting import cell as safe

    numbers = ["value", "error", "low", "high", "problems"]
    whole = {"title": title(report, metrics), "error_is": CONVENTION}
    heads = ["label", "step", "benchmark", "metric", *numbers, "n", "source", *FACTS, *SHOWN, *whole, "chosen_by"]
    facts = {(each.label, each.benchmark): each.facts for each in report.evaluations}
    rows: list[dict[str, Any]] = []
    for row, metric, name in product(report.rows, metrics, [*report.benchmarks, ""]):
        if (found := score_of(report, row, name, metric)) is not None:
            rows.append({})
            if cell := row.cells.get(name):
                rows[-1] |= {**facts.get((row.label, name), {}), "hash_examples": cell.hash_examples, **cell.settings}
                versions = ", ".join(f"{name} {version}" for name, version in (rows[-1].get("versions") or {}).items())
                rows[-1] |= {"n": cell.n, "source": cell.source, "versions": versions, "note": "; ".join(limits(cell))}
            rows[-1] |= {**whole, "chosen_by": "; ".join(c.rule for c in report.choices if c.label == row.label)}
            rows[-1] |= {"label": row.label, "step": row.step, "benchmark": name or "average", "metric": metric}
            rows[-1] |= _numbers(found)
    for each in _reported(report) if published else []:
        named = {"label": each.name, "metric": "avg", "n": each.n or "unknown", "source": f"reported: {each.source}"}
        told = [(name, score) for name, score in _reported_scores(report, each) if score]
        rows += [{**named, "benchmark": name, **_numbers(score)} for name, score in told]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([safe("" if row.get(name) is None else row[name]) for name in heads] for row in rows)
    return out.getvalue()


def _numbers(score: Score) -> dict[str, object]:
    return {**vars(score), "value": round(score.value, 6), "problems": score.problems or None}
