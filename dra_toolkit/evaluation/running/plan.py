"""What is missing: for every target and benchmark the key of its answers, and a job for what is not there yet."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dra_toolkit.dotted import check_dotted
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.benchmarks.problems import Problem, data_hash, load_problems, problem_ids
from dra_toolkit.evaluation.benchmarks.registry import METRIC_VERSION, Benchmark
from dra_toolkit.evaluation.models.fingerprint import KEY_LENGTH, Fingerprints, key_of
from dra_toolkit.evaluation.models.folders import ModelFolder
from dra_toolkit.evaluation.models.targets import Target, locate
from dra_toolkit.evaluation.results.json_lines import read_lines
from dra_toolkit.evaluation.results.stored import ANSWERS_FILE, read_evaluation
from dra_toolkit.evaluation.settings import Engine, Sampling
from dra_toolkit.runs.files import publish_text

DATA_FOLDER, LOGS_FOLDER = "data", "logs"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A benchmark with its problems at hand."""

    benchmark: Benchmark
    sampling: Sampling
    rows: tuple[Mapping[str, Any], ...]
    """Its problems as they are staged for the child."""
    data: str
    """Hash of the rows."""
    file: Path
    """Where they are staged for a job."""
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
    key: str
    facts: Mapping[str, Any]
    """What evaluation.json will say, but for what is known only afterwards."""
    finished: bool
    kept: int
    """Answers that are there already."""
    alike: Path | None = None
    """The folder of a finished evaluation that differs in the number of samples alone; its answers are taken."""


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


def prepare(benchmark: Benchmark, sampling: Sampling, *, evals: Path, data_dir: Path | None) -> Prepared:
    """Load and check a benchmark's problems; they are staged under `evals` when a job asks for them."""
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
        rows = [_row(problem) for problem in load_problems(benchmark, data_dir)]
    data = data_hash(rows)
    file = evals / DATA_FOLDER / f"{benchmark.name}-{data[:KEY_LENGTH]}.jsonl"
    return Prepared(
        benchmark=benchmark,
        sampling=sampling,
        rows=tuple(rows),
        data=data,
        file=file,
        metric=metric,
        stop=stop,
    )


def _staged(prepared: Prepared) -> Path:
    """Return the file with a benchmark's problems, written if it is not there yet."""
    if not prepared.file.is_file():
        prepared.file.parent.mkdir(parents=True, exist_ok=True)
        publish_text(prepared.file, "".join(json.dumps(row) + "\n" for row in prepared.rows))
    return prepared.file.absolute()


def _row(problem: Problem) -> dict[str, Any]:
    return {"id": problem.id, "query": problem.query, "gold": problem.gold}


def _described(benchmark: Benchmark) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Have a child read a named lighteval task; return how it generates, and its problems."""
    if problem := check_dotted(benchmark.source):
        raise EvaluationError(f"--benchmark: {problem}")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "described.jsonl"
        asked = [sys.executable, "-P", "-m", "dra_toolkit.evaluation.child", "describe", benchmark.source, str(output)]
        ran = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        told = [line for event in read_lines(output.with_suffix(".events.jsonl")) for line in event.get("problems", [])]
        if told:
            raise EvaluationError(*told)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or [f"it ended with status {ran.returncode}"])[-1]
            raise EvaluationError(f"--benchmark {benchmark.source}: its task cannot be read ({last})")
        facts, *docs = read_lines(output)
    docs = docs[: benchmark.limit]
    if not docs:
        raise EvaluationError(f"--benchmark {benchmark.source}: has no problems; expected a row for each")
    ids = problem_ids([doc["query"] for doc in docs])
    return facts, [{"id": name, **doc} for name, doc in zip(ids, docs, strict=True)]


def row_of(
    target: Target,
    benchmarks: Sequence[Prepared],
    *,
    engine: Engine,
    device: str,
    evals: Path,
    hashes: Fingerprints,
) -> CheckpointWork:
    """Return what there is and what is missing of a target; raises EvaluationError if it cannot be loaded."""
    model = locate(target, chat_template=any(prepared.sampling.chat_template for prepared in benchmarks))
    fingerprint = hashes.model(model)
    cells = []
    for prepared in benchmarks:
        settings = {"backend": engine.backend, "dtype": engine.dtype, "device": device}
        if engine.max_model_length:
            settings["max_model_length"] = str(engine.max_model_length)
        depends = {
            "benchmark": prepared.benchmark.name,
            "model": fingerprint,
            "data": prepared.data,
            "metric": prepared.metric,
            "sampling": prepared.sampling.as_dict(),
            "engine": settings,
            "stop": prepared.stop,
        }
        key = key_of(depends)[:KEY_LENGTH]
        folder = evals / target.label / prepared.benchmark.name / key
        cells.append(_cell(target, prepared, folder, key, depends))
    return CheckpointWork(target=target, model=model, cells=tuple(cells))


def _cell(target: Target, prepared: Prepared, folder: Path, key: str, depends: Mapping[str, Any]) -> BenchmarkWork:
    benchmark, sampling = prepared.benchmark, prepared.sampling
    finished = (folder / "evaluation.json").is_file() and not read_evaluation(folder).problems
    alike = None if finished else _alike(folder, depends)
    there = _samples(folder / ANSWERS_FILE) | (_samples(alike / ANSWERS_FILE) if alike else set())
    kept = prepared.answers if finished else sum(sample < sampling.n for _, sample in there)
    metric = f"lighteval's metric of {benchmark.source}" if benchmark.kind == "task" else "Open-RS extractive match"
    facts = {
        "label": target.label,
        "run": target.run,
        "step": target.step,
        "model": target.model if not target.revision else f"{target.model}@{target.revision}",
        "benchmark": benchmark.name,
        "key": key,
        "n": sampling.n,
        "settings": {**sampling.as_dict(), **depends["engine"], "limit": benchmark.limit},
        "problems": len(prepared.rows),
        "metric": metric,
        "comparable_note": benchmark.note,
        "depends_on": dict(depends),
    }
    return BenchmarkWork(
        prepared=prepared, folder=folder, key=key, facts=facts, finished=finished, kept=kept, alike=alike
    )


def _samples(path: Path) -> set[tuple[str, int]]:
    rows = read_lines(path)
    return {(row["problem"], row["sample"]) for row in rows if isinstance(row.get("sample"), int) and "problem" in row}


def _alike(folder: Path, depends: Mapping[str, Any]) -> Path | None:
    """Return the finished evaluation beside `folder` with most answers that would be given here as well."""
    found = []
    wanted = _without_n(depends)
    for path in folder.parent.glob("*/evaluation.json"):
        facts = read_evaluation(path.parent).facts
        if isinstance(facts.get("depends_on"), dict) and _without_n(facts["depends_on"]) == wanted:
            found.append((int(facts.get("n") or 0), path.parent))
    return max(found)[1] if found else None


def _without_n(depends: Mapping[str, Any]) -> dict[str, Any]:
    sampling = {name: value for name, value in depends["sampling"].items() if name != "n"}
    return json.loads(json.dumps({**depends, "sampling": sampling}))


def write_job(row: CheckpointWork, engine: Engine, folder: Path, *, scorers: int) -> Path:
    """Write the job that evaluates what is missing of a row into a new folder; return its path."""
    folder.mkdir(parents=True)
    path = folder / "job.json"
    named = f"{row.target.run}/{row.target.label}" if row.target.run else row.target.label
    job = {
        "label": row.target.label,
        "lighteval_name": named,
        "model": {
            "path": str(row.model.path),
            "base": str(row.model.base) if row.model.base else None,
            "tokenizer": str(row.model.tokenizer),
        },
        "engine": engine.as_dict(),
        "events": str(folder / "events.jsonl"),
        "scorers": scorers,
        "benchmarks": [_asked(cell) for cell in row.missing],
    }
    publish_text(path, json.dumps(job, indent=1) + "\n")
    return path


def _asked(cell: BenchmarkWork) -> dict[str, Any]:
    prepared = cell.prepared
    return {
        "name": prepared.benchmark.name,
        "folder": str(cell.folder.absolute()),
        "alike": str((cell.alike / ANSWERS_FILE).absolute()) if cell.alike else None,
        "problems_file": str(_staged(prepared)),
        "sampling": prepared.sampling.as_dict(),
        "metric": dict(prepared.metric),
        "stop": list(prepared.stop),
        "hash_examples": prepared.benchmark.hash_examples,
        "facts": dict(cell.facts),
    }
