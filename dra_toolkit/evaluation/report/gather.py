"""Collect the cells of a report: from a run, a folder of evaluations, or lighteval's own results."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dra_toolkit.errors import DRAError, EvaluationError, counted, did_you_mean
from dra_toolkit.evaluation.models.fingerprint import Fingerprints
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult, cell_of
from dra_toolkit.evaluation.results.lighteval_files import Found, read_foreign
from dra_toolkit.evaluation.results.published import SIZES
from dra_toolkit.evaluation.results.stored import Evaluation, find_evaluations, folders_below
from dra_toolkit.evaluation.statistics.best_step import Choice, by_benchmarks, by_held_out, by_training_reward
from dra_toolkit.evaluation.statistics.comparison import MUST_AGREE
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.evaluation.statistics.scores import average
from dra_toolkit.runs import Run, RunDirectory
from dra_toolkit.runs.layout import EVALUATIONS

SETTINGS = (*MUST_AGREE, "limit")
"""What the rows of a benchmark must have in common to be compared, beside prompts, problems and n."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model or step: its cells by benchmark."""

    label: str
    step: int | None
    cells: dict[str, BenchmarkResult]
    experiment: str = ""

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
    """What could not be read, one line each."""
    evaluations: tuple[Evaluation, ...] = ()
    """Those behind the rows, the newest of each label and benchmark; empty for another tool's results."""
    notes: tuple[str, ...] = ()
    """What limits the comparison of the rows, one line each."""
    base: str = ""
    """The model that the runs began with."""

    def named(self, name: str) -> list[Row]:
        """Return the rows that a label, or a step as `50` or `step-50`, names: several where experiments share the step."""
        whole = [row for row in self.rows if row.label == name]
        return whole or [row for row in self.rows if name.removeprefix("step-") == str(row.step)]

    def row(self, name: str) -> Row:
        """Return the one row that a label or a step names; raises EvaluationError where none or several are."""
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(row.label for row in found)
            raise EvaluationError(f"compare: {name!r} is a step of {len(found)} experiments; name one in full: {some}")
        labels = [row.label for row in self.rows]
        told = f"compare: no {name!r} was evaluated{did_you_mean(name, labels)}"
        raise EvaluationError(f"{told}; there are {', '.join(labels)}")

    def require_metric(self, metric: str) -> None:
        """Raise EvaluationError for a metric that no row has."""
        cells = [cell for row in self.rows for cell in row.cells.values()]
        known = list(dict.fromkeys(name for cell in cells for name in cell.scores))
        if metric in known:
            return
        if metric.startswith("pass@"):
            most = max((max(cell.ks, default=0) for cell in cells), default=0)
            sampled = (
                f"each problem has {counted(most, 'sample')}" if most else "how many samples there are is not known"
            )
            raise EvaluationError(
                f"--metric {metric}: {sampled}; evaluate with --n {metric.removeprefix('pass@')} or more"
            )
        raise EvaluationError(f"--metric: found {metric!r}{did_you_mean(metric, known)}; there are {', '.join(known)}")

    def average(self, row: Row, metric: str = "avg") -> Score | None:
        """Return the average over the benchmarks of the report, or None where one is missing."""
        scores = [row.score(name, metric) for name in self.benchmarks]
        known = [score for score in scores if score is not None]
        return average(known) if len(known) == len(scores) > 1 else None


def gather(path: Path, *more: Path, held_out: str | None = None) -> Report:
    """Return the report of a run directory, a folder that `dra eval` wrote to, or lighteval's results.

    more: further paths, whose rows stand in the same table. held_out: a benchmark that only chooses a step, and is left out
    of the averages. Raises EvaluationError if nothing that can be read is there.
    """
    paths = tuple({each.resolve(): each for each in (path, *more)}.values())
    runs = [RunDirectory(each) if (each / "resolved.json").is_file() else None for each in paths]
    read = _apart(paths, [_read(*each) for each in zip(paths, runs, strict=True)])
    cells, problems, notes, evaluations = (
        [item for each in read for item in getattr(each, name)]
        for name in ("cells", "problems", "notes", "evaluations")
    )
    if not cells:
        nothing = f"{path}: nothing is evaluated here yet; `dra eval {path} --all-steps` does it"
        raise EvaluationError(*(problems or [nothing]))
    reported = [cell for cell in cells if cell.benchmark != held_out]
    known = _in_order({cell.benchmark for cell in cells})
    if held_out is not None and held_out not in known:
        meant = f"{did_you_mean(held_out, known)}; there are {', '.join(known)}"
        raise EvaluationError(f"--held-out: {held_out!r} is not among the benchmarks evaluated here{meant}")
    if not reported:
        raise EvaluationError(f"--held-out: {held_out!r} is the only benchmark evaluated here: none is left to report")
    names = _in_order({cell.benchmark for cell in reported})
    bases = [str(run.read_recipe().model.model_name_or_path) for run in runs if run]
    return Report(
        where=", ".join(map(str, paths)),
        rows=_rows(reported),
        benchmarks=names,
        choices=_choices(cells, reported, zip(runs, read, strict=True), held_out),
        problems=tuple(problems),
        evaluations=tuple(evaluations),
        notes=(*notes, *_incomplete(_rows(reported), names), *_partial(reported), *_unlike(reported)),
        base=" / ".join(dict.fromkeys(bases)),
    )


def only_row(path: Path) -> Row:
    """Return the row of a path that holds one model; raises EvaluationError for another."""
    rows = gather(path).rows
    if len(rows) != 1:
        some = ", ".join(row.label for row in rows[:5])
        raise EvaluationError(f"{path}: holds {len(rows)} models ({some}); name one, with --in {path}")
    return rows[0]


def _read(path: Path, run: RunDirectory | None) -> Found:
    """Return the newest sound evaluation of each label and benchmark as a cell, what is damaged, and what else there is."""
    if not path.exists():
        raise EvaluationError(f"{path}: there is nothing; expected a run, its evals folder, or lighteval's results")
    if not (evaluations := find_evaluations(path / EVALUATIONS if run is not None else path)):
        found = read_foreign(path)
        if below := folders_below(path):
            some = shlex.join(map(str, below[:5])) + (f" and {len(below) - 5} more" if len(below) > 5 else "")
            found.problems.append(
                f"{path}: evaluations lie in folders below it; name those meant: dra eval report {some}"
            )
        return found
    found = Found()
    older: dict[str, None] = {}
    for evaluation in evaluations:
        place = (evaluation.label, evaluation.benchmark)
        if place in ((used.label, used.benchmark) for used in found.evaluations):
            older[" on ".join(place)] = None
            continue
        try:
            found.cells.append(cell_of(evaluation))
            found.evaluations.append(evaluation)
        except DRAError as error:
            found.problems += [f"{problem}; skipped" for problem in error.problems]
    if older:
        some = ", ".join(list(older)[:3]) + (f" and {len(older) - 3} more" if len(older) > 3 else "")
        found.notes.append(f"evaluated more than once, with other settings or weights; the newest is shown: {some}")
    if names := _replaced(evaluations[0].directory.parents[2], run, found.evaluations):
        found.notes.append(f"replaced weights, not evaluated since: {', '.join(names)}; `dra eval` asks them anew")
    return found


def _replaced(evals: Path, run: RunDirectory | None, evaluations: Iterable[Evaluation]) -> list[str]:
    """Return the labels of models that are no longer those whose scores are shown."""
    hashes = Fingerprints(evals)
    found = []
    for evaluation in evaluations:
        model = evaluation.facts.get("depends_on", {}).get("model")
        checkpoint = run.checkpoints / f"checkpoint-{evaluation.step}" if run is not None and evaluation.step else None
        folder = checkpoint or Path(str(evaluation.facts.get("model")))
        if isinstance(model, dict) and hashes.replaced(folder, model.get("weights", {})):
            found.append(evaluation.label)
    return list(dict.fromkeys(found))


def _apart(paths: Sequence[Path], read: Sequence[Found]) -> list[Found]:
    """Return what several paths hold; a step, and a label or an experiment that two of them have, is named with its path."""
    if len(paths) == 1:
        return list(read)
    counts = Counter(label for each in read for label in {cell.label for cell in each.cells})
    ends = (["/".join(path.resolve().parts[-count:]) for path in paths] for count in range(1, 99))
    names = next(names for names in ends if len(set(names)) == len(set(map(Path.resolve, paths))))
    found = []
    for name, each in zip(names, read, strict=True):
        bare = {cell.label for cell in each.cells if counts[cell.label] > 1 or cell.label == f"step-{cell.step}"}
        labels = {cell.label: f"{name}/{cell.label}" if cell.label in bare else cell.label for cell in each.cells}
        several = len({cell.experiment for cell in each.cells}) > 1
        cells = [
            replace(cell, label=labels[cell.label], experiment=f"{name}/{cell.experiment}" if several else name)
            for cell in each.cells
        ]
        evaluations = [replace(one, label=labels[one.label]) for one in each.evaluations]
        found.append(replace(each, cells=cells, evaluations=evaluations))
    return found


def _rows(cells: Sequence[BenchmarkResult]) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    for cell in cells:
        row = Row(label=cell.label, step=cell.step, cells={}, experiment=cell.experiment)
        rows.setdefault(cell.label, row).cells[cell.benchmark] = cell
    return tuple(sorted(rows.values(), key=lambda row: (row.step is None, row.step or 0, row.label)))


def _in_order(names: set[str]) -> tuple[str, ...]:
    return (*(name for name in SIZES if name in names), *sorted(names - set(SIZES)))


def _choices(
    cells: Sequence[BenchmarkResult],
    reported: Sequence[BenchmarkResult],
    read: Iterable[tuple[RunDirectory | None, Found]],
    held_out: str | None,
) -> tuple[Choice, ...]:
    """Return the step that each rule chooses; the training reward chooses one of each run."""
    found = [by_held_out(cells, held_out)] if held_out else []
    for run, each in read:
        rows = {cell.step: cell for cell in each.cells if cell.step}
        choice = by_training_reward(sorted(rows), _rewards(run)) if run is not None else None
        if choice is not None:
            row = rows[choice.step]
            found.append(replace(choice, label=row.label, experiment=row.experiment))
    found.append(by_benchmarks(reported))
    several = len({cell.experiment for cell in cells if cell.step}) > 1
    return tuple(choice if several else replace(choice, experiment="") for choice in found if choice is not None)


def _rewards(run: RunDirectory) -> dict[int, float]:
    """Return the mean raw reward of each recorded training step, or what the metrics say where nothing was recorded."""
    opened = Run(run)
    recorded = opened.query("SELECT step, reward FROM steps WHERE mode = 'train' AND reward IS NOT NULL").to_pylist()
    rows = recorded or [row for row in opened.metrics() if "reward" in row and "step" in row]
    return {int(row["step"]): float(row["reward"]) for row in rows}


def _incomplete(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Return a line if rows lack a benchmark: their means are over the others, and cannot be compared."""
    lacking = [row.label for row in rows if len(row.cells) < len(names)]
    some = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
    return [f"not evaluated on every benchmark, so without an average: {some}"] if lacking else []


def _partial(cells: Sequence[BenchmarkResult]) -> list[str]:
    """Return a line for each benchmark and reason why its scores are not those of the whole benchmark as published."""
    found = Counter((cell.benchmark, note) for cell in cells for note in limits(cell))
    return [f"{name}: {note} ({counted(count, 'row')})" for (name, note), count in found.items()]


def limits(cell: BenchmarkResult) -> list[str]:
    """Return what keeps a score from standing beside those of the whole benchmark as published."""
    problems = next((score.problems for score in cell.scores.values()), 0)
    whole = SIZES.get(cell.benchmark, problems)
    some = f"{problems} of {counted(whole, 'problem')}; not comparable with figures for the whole"
    is_told = not 0 < problems < whole or (cell.note and cell.settings.get("limit"))
    return [note for note in (cell.note, None if is_told else some) if note]


def _unlike(cells: Sequence[BenchmarkResult]) -> list[str]:
    """Return a line for each benchmark whose rows differ in prompts, samples or sampling settings, as far as is known."""
    found = []
    for name in dict.fromkeys(cell.benchmark for cell in cells):
        rows = [cell for cell in cells if cell.benchmark == name]
        told = []
        if len({cell.hash_examples for cell in rows if cell.hash_examples}) > 1:
            told.append("prompts or problems")
        known: dict[str, list[Any]] = {"n": sorted(cell.n for cell in rows if cell.n)}
        known |= {each: [cell.settings[each] for cell in rows if each in cell.settings] for each in SETTINGS}
        for setting, values in known.items():
            shown = list(dict.fromkeys("none" if value is None else str(value)[:40] for value in values))
            if len(shown) > 1:
                told.append(f"{setting} ({', '.join(shown[:4])}{', ...' if len(shown) > 4 else ''})")
        if told:
            found.append(f"{name}: the rows differ in {', '.join(told)}")
    return found
