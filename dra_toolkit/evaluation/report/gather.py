"""Collect the cells of a report: from a run, a folder of evaluations, or lighteval's own results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dra_toolkit.errors import DRAError
from dra_toolkit.evaluation.cells import Cell, cell_of
from dra_toolkit.evaluation.foreign import read_foreign
from dra_toolkit.evaluation.outcomes import Evaluation, EvaluationError, find_evaluations
from dra_toolkit.evaluation.published import SIZES
from dra_toolkit.evaluation.selection import Choice, by_benchmarks, by_held_out, by_training_reward
from dra_toolkit.evaluation.statistics import Score, average
from dra_toolkit.runs import Run, RunDirectory


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model or step: its cells by benchmark."""

    label: str
    step: int | None
    cells: dict[str, Cell]

    def score(self, benchmark: str, metric: str = "avg") -> Score | None:
        """Return a score, or None where it was not evaluated or does not exist for its n."""
        cell = self.cells.get(benchmark)
        return None if cell is None else cell.scores.get(metric)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Rows by step, columns by benchmark."""

    where: str
    rows: tuple[Row, ...]
    benchmarks: tuple[str, ...]
    choices: tuple[Choice, ...]
    """The step that each rule chooses, the honest one first."""
    problems: tuple[str, ...]
    evaluations: tuple[Evaluation, ...] = ()
    """Those behind the rows, the newest of each label and benchmark; empty for another tool's results."""

    def average(self, row: Row, metric: str = "avg") -> Score | None:
        """Return the average over the benchmarks of the report, or None where one is missing."""
        scores = [row.score(name, metric) for name in self.benchmarks]
        known = [score for score in scores if score is not None]
        return average(known) if len(known) == len(scores) > 1 else None


def gather(path: Path, *, held_out: str | None = None) -> Report:
    """Return the report of a run directory, a folder that `dra eval` wrote to, or lighteval's results.

    held_out: a benchmark that only chooses a step, and is left out of the averages. Raises EvaluationError if nothing that
    can be read is there.
    """
    run = RunDirectory(path) if (path / "resolved.json").is_file() else None
    evals = path / "evals" if run is not None else path
    if not path.exists():
        raise EvaluationError(f"{path}: there is nothing; expected a run, its evals folder, or lighteval's results")
    evaluations = find_evaluations(evals) if evals.is_dir() else []
    cells, problems, used = _cells(evaluations)
    if not evaluations:
        foreign = read_foreign(path)
        cells, problems = list(foreign.cells), list(foreign.problems)
    if not cells:
        nothing = f"{path}: nothing is evaluated here yet; `dra eval {path} --all-steps` does it"
        raise EvaluationError(*(problems or [nothing]))
    reported = [cell for cell in cells if cell.benchmark != held_out]
    if held_out is not None and len(reported) == len(cells):
        raise EvaluationError(f"--held-out: {held_out!r} is not among the benchmarks evaluated here")
    rows = _rows(reported)
    return Report(
        where=str(path),
        rows=rows,
        benchmarks=_in_order({cell.benchmark for cell in reported}),
        choices=_choices(cells, reported, run, held_out),
        problems=tuple(problems),
        evaluations=tuple(used),
    )


def _cells(evaluations: Sequence[Evaluation]) -> tuple[list[Cell], list[str], list[Evaluation]]:
    """Return the newest evaluation of each label and benchmark as a cell."""
    found: dict[tuple[str, str], Cell] = {}
    problems: list[str] = []
    used: list[Evaluation] = []
    for evaluation in evaluations:
        if (evaluation.label, evaluation.benchmark) in found:
            continue
        try:
            found[evaluation.label, evaluation.benchmark] = cell_of(evaluation)
            used.append(evaluation)
        except DRAError as error:
            problems += [f"{problem}; skipped" for problem in error.problems]
    return list(found.values()), problems, used


def _rows(cells: Sequence[Cell]) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    for cell in cells:
        rows.setdefault(cell.label, Row(label=cell.label, step=cell.step, cells={})).cells[cell.benchmark] = cell
    return tuple(sorted(rows.values(), key=lambda row: (row.step is None, row.step or 0, row.label)))


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Return the paper's benchmarks in its order, then others by name."""
    return (*(name for name in SIZES if name in names), *sorted(names - set(SIZES)))


def _choices(
    cells: Sequence[Cell], reported: Sequence[Cell], run: RunDirectory | None, held_out: str | None
) -> tuple[Choice, ...]:
    steps = sorted({cell.step for cell in cells if cell.step})
    found = [by_held_out(cells, held_out)] if held_out else []
    if run is not None:
        found.append(by_training_reward(steps, _rewards(run)))
    found.append(by_benchmarks(reported))
    return tuple(choice for choice in found if choice is not None)


def _rewards(run: RunDirectory) -> dict[int, float]:
    """Return the mean raw reward of each recorded training step, or what the metrics say where nothing was recorded."""
    opened = Run(run)
    recorded = opened.query("SELECT step, reward FROM steps WHERE mode = 'train' AND reward IS NOT NULL").to_pylist()
    if recorded:
        return {row["step"]: row["reward"] for row in recorded}
    return {int(row["step"]): float(row["reward"]) for row in opened.metrics() if "reward" in row and "step" in row}
