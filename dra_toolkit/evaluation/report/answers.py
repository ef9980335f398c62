"""The answers behind the scores: how many were cut or unreadable, and which problems flipped between two steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.evaluation.report.about import points
from dra_toolkit.evaluation.report.gather import Report
from dra_toolkit.evaluation.results.answers import read_lines
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.results.stored import read_evaluation, read_outcomes

HEADS = ["model", "benchmark", "accuracy", "by judge", "cut", "tokens", "95 % of", "no result", "unscored"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one of two models made of a problem."""

    label: str
    right: float
    """Share of its samples that are right."""
    completion: str
    """One that stands for the others."""
    answer: str | None
    tokens: int
    finish: str


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A problem that one of two models mostly solves and the other mostly does not."""

    benchmark: str
    problem: str
    query: str
    """The prompt, where it is kept."""
    gold: str
    left: Side
    right: Side


def answer_rows(report: Report) -> list[list[str]]:
    """Return a row for each model and benchmark whose answers are known, under `HEADS`."""
    rows = []
    for row in report.rows:
        for name in report.benchmarks:
            cell = row.cells.get(name)
            if cell is None or cell.answers is None:
                continue
            seen = cell.answers
            shares = [f"{100 * share:.1f} %" for share in (seen.cut, seen.unread, seen.unscored)]
            scores = [points(cell.scores.get(metric)) for metric in ("avg", "judged")]
            rows.append([row.label, name, *scores, shares[0], f"{seen.tokens:.0f}", f"≤ {seen.long:.0f}", *shares[1:]])
    return rows


def flips(left: Mapping[str, BenchmarkResult], right: Mapping[str, BenchmarkResult]) -> list[Flip]:
    """Return the problems that flipped between two models, given by their cells, the clearest first.

    Only benchmarks whose answers lie on this machine take part.
    """
    found = []
    for name in left.keys() & right.keys():
        ours, theirs = left[name], right[name]
        if ours.directory is None or theirs.directory is None:
            continue
        sides = [_by_problem(cell) for cell in (ours, theirs)]
        queries = _queries(ours)
        for problem in sides[0].keys() & sides[1].keys():
            one, other = (_side(cell.label, side[problem]) for cell, side in zip((ours, theirs), sides, strict=True))
            if (one.right > 0.5) != (other.right > 0.5):
                gold = str(sides[0][problem][0]["gold"])
                query = queries.get(problem, "")
                found.append(Flip(benchmark=name, problem=problem, query=query, gold=gold, left=one, right=other))
    return sorted(found, key=lambda flip: (-abs(flip.right.right - flip.left.right), flip.benchmark, flip.problem))


def _by_problem(cell: BenchmarkResult) -> dict[str, list[dict[str, Any]]]:
    assert cell.directory is not None
    names = ["problem", "sample", "correct", "gold", "answer", "tokens", "finish_reason", "completion"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_outcomes(read_evaluation(cell.directory), names).to_pylist():
        found.setdefault(row["problem"], []).append(row)
    return found


def _side(label: str, rows: Sequence[dict[str, Any]]) -> Side:
    right = sum(row["correct"] for row in rows) / len(rows)
    shown = next((row for row in rows if row["correct"] == (right > 0.5)), rows[0])
    return Side(
        label=label,
        right=right,
        completion=shown["completion"],
        answer=shown["answer"],
        tokens=shown["tokens"],
        finish=shown["finish_reason"],
    )


def _queries(cell: BenchmarkResult) -> dict[str, str]:
    """Return the prompts by problem, as they were staged beside the evaluations."""
    assert cell.directory is not None
    data = cell.directory.parents[2] / "data"
    return {row["id"]: row["query"] for file in data.glob(f"{cell.benchmark}-*.jsonl") for row in read_lines(file)}
