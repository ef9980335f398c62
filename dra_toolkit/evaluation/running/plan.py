"""What is missing: for every target and benchmark the key of its answers, and a job for what is not there yet."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dra_toolkit.dotted import check_dotted
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.benchmarks.problems import load_problems, problem_ids
from dra_toolkit.evaluation.benchmarks.registry import METRIC_VERSION, Benchmark
from dra_toolkit.evaluation.child import process
from dra_toolkit.evaluation.models.fingerprint import KEY_LENGTH, Fingerprints, key_of
from dra_toolkit.evaluation.models.folders import ModelFolder
from dra_toolkit.evaluation.models.targets import Target, locate
from dra_toolkit.evaluation.results.answers import answered
from dra_toolkit.evaluation.results.stored import FACTS_FILE, is_finished, read_evaluation
from dra_toolkit.evaluation.running.job import process_context
from dra_toolkit.evaluation.settings import Engine, Sampling
from dra_toolkit.runs.files import json_object, publish_text
from dra_toolkit.safe_text import first_line

DATA_FOLDER, LOGS_FOLDER = "data", "logs"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A benchmark with its problems at hand."""

    benchmark: Benchmark
    sampling: Sampling
    rows: Sequence[Mapping[str, Any]]
    """Its problems as they are staged for a job."""
    data: str
    """Hash of the rows."""
    metric: Mapping[str, Any]
    stop: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        """How many answers one model gives."""
        return len(self.rows) * self.sampling.n


@dataclass(frozen=True, kw_only=True)
class BenchmarkWork:
    """One target on one benchmark."""

    prepared: Prepared
    folder: Path
    facts: Mapping[str, Any]
    """What evaluation.json will say, but for what is known only afterwards."""
    finished: bool
    kept: int
    """Answers that are there already."""
    alike: Path | None = None
    """The folder of a finished evaluation that differs in the number of samples alone; its answers are taken."""

    @property
    def accuracy(self) -> float | None:
        """The share of correct answers, once it is finished."""
        found = json_object(self.folder / FACTS_FILE).get("accuracy")
        return found if isinstance(found, float) else None


@dataclass(frozen=True, kw_only=True)
class CheckpointWork:
    """One target with all its benchmarks."""

    target: Target
    model: ModelFolder
    cells: tuple[BenchmarkWork, ...]

    @property
    def missing(self) -> tuple[BenchmarkWork, ...]:
        """What is not finished."""
        return tuple(cell for cell in self.cells if not cell.finished)


def prepare(benchmark: Benchmark, sampling: Sampling, data_dir: Path | None) -> Prepared:
    """Load and check a benchmark's problems."""
    metric: dict[str, Any] = {
        "version": METRIC_VERSION,
        "extraction": benchmark.extraction,
        "repaired": benchmark.tolerance,  # under its first name, for it is part of the key of older results
    }
    stop: tuple[str, ...] = ()
    if benchmark.kind == "task":
        facts, rows = _described(benchmark)
        metric |= {"task": benchmark.source, "code": facts["code"]}
        stop = tuple(facts["stop"])
        if facts["max_new_tokens"]:
            sampling = replace(sampling, max_new_tokens=min(sampling.max_new_tokens, facts["max_new_tokens"]))
    else:
        rows = load_problems(benchmark, data_dir)
    data = key_of(rows)
    return Prepared(benchmark=benchmark, sampling=sampling, rows=rows, data=data, metric=metric, stop=stop)


def _described(benchmark: Benchmark) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Have a child read a named lighteval task; return how it generates, and its problems."""
    if problem := check_dotted(benchmark.source):
        raise EvaluationError(f"--benchmark: {problem}")
    with ProcessPoolExecutor(1, process_context("spawn"), initializer=process.silence) as child:
        try:
            facts, docs = child.submit(process.describe, benchmark.source).result()
        except EvaluationError:
            raise
        except Exception as error:  # what a task's own code raises, or its end
            told = f"--benchmark {benchmark.source}: its task cannot be read ({first_line(error)})"
            raise EvaluationError(told) from None
    docs = docs[: benchmark.limit]
    if not docs:
        raise EvaluationError(f"--benchmark {benchmark.source}: has no problems; expected a row for each")
    ids = problem_ids([doc["query"] for doc in docs])
    return facts, [{"id": name, **doc} for name, doc in zip(ids, docs, strict=True)]


def row_of(
    target: Target, benchmarks: Sequence[Prepared], *, engine: Engine, device: str, evals: Path, hashes: Fingerprints
) -> CheckpointWork:
    """Return what there is and what is missing of a target; raises EvaluationError if it cannot be loaded."""
    model = locate(target, chat_template=any(prepared.sampling.chat_template for prepared in benchmarks))
    settings = {"backend": engine.backend, "dtype": engine.dtype, "device": device}
    if engine.max_model_length:
        settings["max_model_length"] = str(engine.max_model_length)
    weights = hashes.model(model)
    cells = []
    for prepared in benchmarks:
        depends = {
            "benchmark": prepared.benchmark.name,
            "model": weights,
            "data": prepared.data,
            "metric": prepared.metric,
            "sampling": vars(prepared.sampling),
            "engine": settings,
            "stop": prepared.stop,
        }
        cells.append(_cell(target, prepared, evals / target.label / prepared.benchmark.name, depends))
    return CheckpointWork(target=target, model=model, cells=tuple(cells))


def _cell(target: Target, prepared: Prepared, beside: Path, depends: Mapping[str, Any]) -> BenchmarkWork:
    benchmark, sampling = prepared.benchmark, prepared.sampling
    key = key_of(depends)[:KEY_LENGTH]
    folder = beside / key
    finished = is_finished(folder)
    n, alike = (0, None) if finished else _alike(beside, depends)
    there = set() if finished else {sample for sample in answered(folder) if sample[1] < sampling.n}
    there |= {(row["id"], sample) for row in prepared.rows for sample in range(min(n, sampling.n))}
    facts = {
        **{name: getattr(target, name) for name in ("label", "run", "step")},
        "model": target.model if not target.revision else f"{target.model}@{target.revision}",
        "benchmark": benchmark.name,
        "key": key,
        "n": sampling.n,
        "settings": {**vars(sampling), **depends["engine"], "limit": benchmark.limit},
        "problems": len(prepared.rows),
        "metric": (
            f"lighteval's metric of {benchmark.source}" if benchmark.kind == "task" else "Open-RS extractive match"
        ),
        "comparable_note": benchmark.note,
        "depends_on": dict(depends),
    }
    kept = prepared.answers if finished else len(there)
    return BenchmarkWork(prepared=prepared, folder=folder, facts=facts, finished=finished, kept=kept, alike=alike)


def _alike(beside: Path, depends: Mapping[str, Any]) -> tuple[int, Path | None]:
    """Return the finished evaluation, and its n, with most answers that would be given here as well."""
    found: list[tuple[int, Path | None]] = [(0, None)]
    wanted = _without_n(depends)
    for path in beside.glob(f"*/{FACTS_FILE}"):
        facts = read_evaluation(path.parent).facts
        if isinstance(facts.get("depends_on"), dict) and _without_n(facts["depends_on"]) == wanted:
            found.append((int(facts.get("n") or 0), path.parent))
    return max(found, key=lambda each: each[0])


def _without_n(depends: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps({**depends, "sampling": {**depends["sampling"], "n": None}}))


def job_of(row: CheckpointWork, engine: Engine, evals: Path, *, scorers: int) -> dict[str, Any]:
    """Return the job that works on what is missing of a row, whose problems are staged below `evals`."""
    model = {"path": row.model.path, "base": row.model.base, "tokenizer": row.model.tokenizer}
    paths = {name: str(path) if path else None for name, path in model.items()}
    asked = [_asked(cell, evals / DATA_FOLDER) for cell in row.missing]
    return {"model": paths, "engine": vars(engine), "scorers": scorers, "benchmarks": asked}


def _asked(cell: BenchmarkWork, data: Path) -> dict[str, Any]:
    prepared = cell.prepared
    file = (data / f"{prepared.benchmark.name}-{prepared.data[:KEY_LENGTH]}.jsonl").absolute()
    if not file.is_file():
        data.mkdir(parents=True, exist_ok=True)
        publish_text(file, "".join(json.dumps(row) + "\n" for row in prepared.rows))
    return {
        "name": prepared.benchmark.name,
        "folder": str(cell.folder.absolute()),
        "alike": str(cell.alike.absolute()) if cell.alike else None,
        "problems_file": str(file),
        "sampling": vars(prepared.sampling),
        "metric": dict(prepared.metric),
        "stop": list(prepared.stop),
        "hash_examples": prepared.benchmark.hash_examples,
        "facts": dict(cell.facts),
    }
