"""One job: a checkpoint, all its missing benchmarks, one engine."""

from __future__ import annotations

import datetime
import json
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.child import shims
from dra_toolkit.evaluation.child.events import Events
from dra_toolkit.evaluation.results.json_lines import read_lines
from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, write_outcomes

SCORES_FILE = "scores.jsonl"


def run_job(path: Path) -> None:
    """Evaluate what the job file says; each finished benchmark is published at once."""
    job = json.loads(path.read_text(encoding="utf-8"))
    events = Events(Path(job["events"]))
    events.tell("phase", text="loading libraries")
    shims.apply()
    from dra_toolkit.evaluation.child.scoring import Scoring

    scoring = Scoring(job["scorers"])
    events.tell("phase", text="loading the model")
    started = time.perf_counter()
    engine = _engine(job)
    loading = time.perf_counter() - started
    for benchmark in job["benchmarks"]:
        _evaluate(job, benchmark, engine, scoring, events, loading)
        loading = 0.0
    scoring.close()
    engine.close()


def _engine(job: Mapping[str, Any]) -> Any:
    if job["engine"]["backend"] == "vllm":
        from dra_toolkit.evaluation.child.vllm_engine import VLLMEngine

        return VLLMEngine(job["model"], job["engine"])
    from dra_toolkit.evaluation.child.transformers_engine import TransformersEngine

    return TransformersEngine(job["model"], job["engine"])


def _evaluate(
    job: Mapping[str, Any], benchmark: dict[str, Any], engine: Any, scoring: Any, events: Events, loading: float
) -> None:
    """Generate and score what is missing of one benchmark, write lighteval's files and then ours."""
    from lighteval.logging.evaluation_tracker import EvaluationTracker
    from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters

    from dra_toolkit.evaluation.child.model import KeepingModel
    from dra_toolkit.evaluation.child.tasks import task_config

    started = time.perf_counter()
    folder, name = Path(benchmark["folder"]), benchmark["name"]
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_lines(Path(benchmark["problems_file"]))
    benchmark["rows"] = {row["id"]: row for row in rows}
    scoring.open(folder / SCORES_FILE, benchmark["metric"])
    model = KeepingModel(engine, scoring, events, label=job["lighteval_name"], benchmark=benchmark)
    made: dict[tuple[str, int], dict[str, Any]] = {}
    waited = 0.0

    def scores_of(problem: str) -> list[bool]:
        nonlocal waited
        if not made:
            before = time.perf_counter()
            made.update(scoring.finish(tell=lambda left: events.tell("scoring", benchmark=name, left=left)))
            waited = time.perf_counter() - before
        return [bool(made[problem, sample]["correct"]) for sample in range(benchmark["sampling"]["n"])]

    tasks: Any = types.ModuleType("dra_tasks")
    tasks.TASKS_TABLE = [task_config(benchmark, scores_of)]
    tracker = EvaluationTracker(output_dir=str(folder / "lighteval"), save_details=True)
    pipeline = Pipeline(
        tasks=f"{name}|0",
        pipeline_parameters=PipelineParameters(
            launcher_type=ParallelismManager.NONE,
            custom_tasks_directory=tasks,
            remove_reasoning_tags=False,  # as Open-RS, whose answers have no opening tag
        ),
        evaluation_tracker=tracker,
        model=model,
    )
    pipeline.evaluate()
    pipeline.save_and_push_results()
    hashes = tracker.details_logger.compiled_details[f"{name}|0"].hashes
    model.answers.close()
    outcomes = _outcomes(benchmark, rows, model.answers.rows, made)
    wall = time.perf_counter() - started
    facts = {
        **benchmark["facts"],
        **_compared(benchmark, hashes["hash_examples"]),
        "backend": engine.name,
        "seconds": {
            "loading": round(loading, 3),
            "generation": round(model.seconds, 3),
            "scoring": round(waited, 3),
            "other": round(wall - model.seconds - waited, 3),
        },
        "scoring_cpu_seconds": round(sum(row["seconds"] for row in made.values()), 3),
        "generated": model.generated,
        "accuracy": sum(row["correct"] for row in outcomes) / len(outcomes),
        "unscored": sum(row["how"] != "scored" for row in made.values()),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
        "versions": _versions(engine.name),
    }
    write_outcomes(folder / OUTCOMES_FILE, outcomes, facts)
    events.tell(
        "evaluated", benchmark=name, accuracy=facts["accuracy"], seconds=facts["seconds"], generated=model.generated
    )


def _compared(benchmark: Mapping[str, Any], found: str) -> dict[str, Any]:
    """Return lighteval's hash over the prompts, and a note where it is not that of Open-RS's logs."""
    wanted, note = benchmark.get("hash_examples"), benchmark["facts"]["comparable_note"]
    if wanted and wanted != found:
        differs = f"the prompts are not those of Open-RS (hash_examples {found}, theirs {wanted})"
        note = f"{note}; {differs}" if note else differs
    return {"hash_examples": found, "comparable_note": note}


def _outcomes(
    benchmark: Mapping[str, Any], rows: list[dict[str, Any]], answers: Mapping[Any, Any], scores: Mapping[Any, Any]
) -> list[dict[str, Any]]:
    """Return one row for each sample, in the order of the problems."""
    facts = benchmark["facts"]
    same = {name: facts[name] for name in ("label", "run", "step", "model", "benchmark")}
    outcomes = []
    for index, row in enumerate(rows):
        for sample in range(benchmark["sampling"]["n"]):
            answer, score = answers[row["id"], sample], scores[row["id"], sample]
            outcomes.append(
                {
                    **same,
                    "problem": row["id"],
                    "problem_index": index,
                    "sample": sample,
                    "seed": answer["seed"],
                    "correct": score["correct"],
                    "correct_judged": score.get("judged"),
                    "answer": score["answer"],
                    "tokens": answer["tokens"],
                    "finish_reason": answer["finish"],
                    "gold": row["gold"],
                    "completion": answer["text"],
                }
            )
    return outcomes


def _versions(backend: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (
        "dra-toolkit",
        "lighteval",
        "torch",
        "transformers",
        "math-verify",
        *([backend] if backend == "vllm" else []),
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
