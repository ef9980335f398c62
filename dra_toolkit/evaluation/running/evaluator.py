"""The whole of an evaluation: which checkpoints, in which order, until nothing is missing."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.models.fingerprint import Fingerprints
from dra_toolkit.evaluation.models.targets import BASE_STEP, Target, around, coarse, targets_of_run
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult, cell_of
from dra_toolkit.evaluation.results.stored import find_evaluations
from dra_toolkit.evaluation.running.gpu_slots import Slot
from dra_toolkit.evaluation.running.plan import BenchmarkWork, CheckpointWork, Prepared, row_of
from dra_toolkit.evaluation.running.schedule import Failure, Schedule, Show, gone
from dra_toolkit.evaluation.settings import Engine
from dra_toolkit.evaluation.statistics.power import measured, told
from dra_toolkit.launch.start import STARTING
from dra_toolkit.runs import RunDirectory
from dra_toolkit.runs.checkpoints import checkpoint_step

WATCH_SECONDS = 3.0


@dataclass(kw_only=True)
class Done:
    """What an evaluation did."""

    evaluated: int = 0
    """Cells, a checkpoint on a benchmark each, that were missing and are there."""
    reused: int = 0
    """Cells that were there."""
    missed: list[int] = field(default_factory=list)
    """Steps whose checkpoints were deleted before a watch could evaluate them."""
    failures: list[Failure] = field(default_factory=list)
    cells: dict[tuple[str, str], BenchmarkWork] = field(default_factory=dict)
    """By label and benchmark."""


@dataclass(frozen=True)
class Watched:
    """A run whose checkpoints are evaluated as they come."""

    run: RunDirectory
    base: bool
    """Whether the base model is evaluated as well."""

    def is_running(self) -> bool:
        """Return whether it still trains, or is about to begin."""
        begins = self.run.status()["state"] in ("not started", STARTING) and not self.folders()
        return self.run.is_held() or begins

    def targets(self) -> dict[int, Target]:
        """Return what can be evaluated now, by step."""
        return {step: t for step, t in targets_of_run(self.run).targets.items() if step != BASE_STEP or self.base}

    def folders(self) -> set[int]:
        """Return the steps whose folders are there, written to their end or not."""
        named = self.run.checkpoints.glob("checkpoint-*")
        return {checkpoint_step(path) for path in named if path.name.rpartition("-")[2].isdecimal()}

    def due(self, until: int) -> set[int]:
        """Return the steps up to one that the recipe says are saved; none where it says so otherwise than by steps."""
        output = self.run.read_recipe().output
        every = output.save_steps
        return set(range(int(every), until, int(every))) if output.save_strategy == "steps" and every >= 1 else set()


class Evaluator:
    """Evaluates targets on benchmarks; what is finished is never done again."""

    def __init__(
        self, *, evals: Path, benchmarks: Sequence[Prepared], engine: Engine, slots: Sequence[Slot], show: Show
    ) -> None:
        self._evals, self._benchmarks, self._engine, self._slots, self._show = evals, benchmarks, engine, slots, show
        self._hashes = Fingerprints(evals)
        scorers = max(1, min(4, (os.cpu_count() or 2) // max(1, len(slots)) - 1))
        self._schedule = Schedule(slots, engine=engine, evals=evals, scorers=scorers, show=show)
        self.done = Done()

    def plan(self, targets: Sequence[Target], *, strict: bool, remember: bool = True) -> list[CheckpointWork]:
        """Return what there is and what is missing of each target; remember: keep the hashes of weights for the next time.

        strict: raise EvaluationError with every target that cannot be loaded, instead of counting it as failed.
        """
        rows, problems = [], list[str]()
        where: dict[str, Any] = {"engine": self._engine, "evals": self._evals, "hashes": self._hashes}
        self._show({"event": "phase", "text": "hashing weights and data"})
        for target in targets:
            try:
                rows.append(row_of(target, self._benchmarks, device=self._slots[0].device, **where))
            except (EvaluationError, OSError) as error:
                found = (target.why_gone,) if target.is_gone else getattr(error, "problems", ())
                if not found:
                    raise
                problems += found
                told = tuple(f"{target.label}: {problem}" for problem in found)
                failure = Failure(label=target.label, problems=told)
                self.done.failures.append(gone(target) if target.is_gone else failure)
        if remember:
            self._hashes.remember()
        if strict and problems:
            raise EvaluationError(*problems)
        return rows

    def power(self, rows: Sequence[CheckpointWork], detect: float | None = None) -> list[str]:
        """Return what difference between two rows the plan can show, by the answers that are there, else by a prior."""
        planned = {cell.prepared.benchmark.name: cell.prepared for row in rows for cell in row.cells}
        cells: dict[str, dict[str, BenchmarkResult]] = {name: {} for name in planned}
        for evaluation in find_evaluations(self._evals):  # the newest of each label first
            if evaluation.label not in cells.get(evaluation.benchmark, {evaluation.label}):
                with suppress(EvaluationError):  # what is damaged is made anew
                    cells[evaluation.benchmark][evaluation.label] = cell_of(evaluation)
        sizes = {name: (len(each.rows), each.sampling.n) for name, each in planned.items()}
        spreads = [measured(name, list(cells[name].values()), *of) for name, of in sizes.items()]
        return told(spreads, detect) if spreads else []

    def evaluate(
        self, targets: Sequence[Target], *, strict: bool = True, look: Callable[[], object] = lambda: None
    ) -> None:
        """Evaluate what is missing of the targets; look: called again and again meanwhile."""
        rows = self.plan(targets, strict=strict)
        missing = [row for row in rows if row.missing]
        answers = sum(cell.prepared.answers - cell.kept for row in missing for cell in row.missing)
        kept = sum(len(row.cells) - len(row.missing) for row in rows)
        self._show({"event": "plan", "checkpoints": len(missing), "answers": answers, "kept": kept})
        self.done.reused += kept
        self.done.failures += self._schedule.run(missing, look) if missing else []
        for row in rows:
            for cell in row.cells:
                if cell.accuracy is not None:
                    self.done.cells[row.target.label, cell.prepared.benchmark.name] = cell
                    self.done.evaluated += not cell.finished

    def coarse_to_fine(self, targets: Mapping[int, Target], every: int) -> None:
        """Evaluate every `every`-th step, then those around the best of them; the base model comes along."""
        steps = [step for step in targets if step != BASE_STEP]
        first = coarse(steps, every)
        self.evaluate([targets[step] for step in (BASE_STEP, *first) if step in targets])
        means = {}
        for step in first:
            places = [(targets[step].label, prepared.benchmark.name) for prepared in self._benchmarks]
            if all(place in self.done.cells for place in places):
                means[step] = sum(self.done.cells[place].accuracy or 0.0 for place in places)
        if not means:
            return
        best = max(means, key=lambda step: means[step])
        nearby = [step for step in around(steps, best, every) if step not in first]
        self._show({"event": "notice", "text": f"step {best} is the best of {len(first)}; evaluating those around it"})
        self.evaluate([targets[step] for step in nearby])

    def watch(self, watched: Watched, *, seconds: float = WATCH_SECONDS) -> None:
        """Evaluate checkpoints as a run writes them, until it has ended and none is left; name those it deleted before."""
        seen: set[int] = set()
        appeared: set[int] = set()
        told: set[int] = set()
        is_waiting = False

        def look() -> None:
            appeared.update(watched.folders())

        while True:
            running = watched.is_running()  # asked first: what is written before the run's end is found below
            look()
            targets = watched.targets()
            if new := [step for step in targets if step not in seen]:
                seen.update(new)
                self.evaluate([targets[step] for step in new], strict=False, look=look)
                is_waiting = False
            gone = (appeared | watched.due(max(appeared, default=0))) - watched.folders() - seen - told
            if missed := sorted(step for step in gone if not find_evaluations(self._evals / f"step-{step}")):
                names = ", ".join(f"step-{step}" for step in missed)
                self._show({"event": "notice", "text": f"deleted before their turn (save_total_limit): {names}"})
                self.done.missed += missed
            told |= gone
            if not new and not running:
                return
            if not new:
                if not is_waiting:
                    self._show({"event": "phase", "text": "waiting for the next checkpoint"})
                is_waiting = True
                time.sleep(seconds)

    def close(self) -> None:
        """End every process."""
        self._schedule.end()
