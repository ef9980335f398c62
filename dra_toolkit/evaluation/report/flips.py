"""Problems that two models answered differently: one right, the other wrong, with the answers of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.evaluation.report.answers import prompts_of
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.results.stored import read_evaluation, read_outcomes


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


def flips(
    left: Mapping[str, BenchmarkResult], right: Mapping[str, BenchmarkResult], most: int
) -> tuple[int, list[Flip]]:
    """Return how many problems flipped between two models, given by their cells, and the clearest `most` of them.

    Only benchmarks whose answers lie on this machine take part, and only the answers that are shown are read.
    """
    pairs = {name: (left[name], right[name]) for name in left.keys() & right.keys()}
    found = sorted(flip for name, pair in pairs.items() for flip in _flipped(name, *pair))
    shown = {}
    for name, pair in pairs.items():
        problems = [problem for _, where, problem in found[:most] if where == name]
        sides, queries = [_answers(cell, problems) for cell in pair if problems], prompts_of(pair[0], problems)
        for problem in problems:
            one, other = (_side(cell.label, side[problem]) for cell, side in zip(pair, sides, strict=True))
            gold, query = str(sides[0][problem][0]["gold"]), queries.get(problem, "")
            flip = Flip(benchmark=name, problem=problem, query=query, gold=gold, left=one, right=other)
            shown[name, problem] = flip
    return len(found), [shown[name, problem] for _, name, problem in found[:most]]


def _flipped(name: str, *pair: BenchmarkResult) -> Iterator[tuple[float, str, str]]:
    """Yield each problem that flipped, with what sorts the clearest ones first."""
    known = [(cell.problems, cell.correct.mean(axis=1)) for cell in pair if cell.correct is not None and cell.directory]
    if len(known) == len(pair):
        ours, theirs = (dict(zip(problems, right.tolist(), strict=True)) for problems, right in known)
        for problem in ours.keys() & theirs.keys():
            if (ours[problem] > 0.5) != (theirs[problem] > 0.5):
                yield -abs(theirs[problem] - ours[problem]), name, problem


def _answers(cell: BenchmarkResult, problems: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the samples of some problems."""
    assert cell.directory is not None
    names = ["problem", "sample", "correct", "gold", "answer", "tokens", "finish_reason", "completion"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_outcomes(read_evaluation(cell.directory), names, problems).to_pylist():
        found.setdefault(row["problem"], []).append(row)
    return found


def _side(label: str, rows: Sequence[dict[str, Any]]) -> Side:
    right = sum(row["correct"] for row in rows) / len(rows)
    shown = next((row for row in rows if row["correct"] == (right > 0.5)), rows[0])
    told = {name: shown[name] for name in ("completion", "answer", "tokens")}
    return Side(label=label, right=right, finish=shown["finish_reason"], **told)
