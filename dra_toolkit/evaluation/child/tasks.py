"""lighteval's tasks by dotted path: their documents, their metric, and how they generate."""

import functools
import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
from lighteval.metrics.metrics_sample import SamplingMetric
from lighteval.tasks.lighteval_task import LightevalTask, LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import EvaluationError


@functools.cache
def named_task(dotted: str) -> LightevalTaskConfig:
    """Return the lighteval task at a dotted path; raises EvaluationError where there is none."""
    config: LightevalTaskConfig = load_dotted(
        "--benchmark",
        dotted,
        accepts=lambda value: isinstance(value, LightevalTaskConfig),
        expected="a LightevalTaskConfig",
        error=EvaluationError,
    )
    return config


@functools.cache
def task_metric(dotted: str) -> Callable[[Any, Any], float]:
    """Return the metric of a named task that scores one answer."""
    for metric in named_task(dotted).metrics:
        computes = metric.sample_level_fn
        is_of_one = isinstance(metric.metric_name, str) and not metric.batched_compute
        if metric.category == SamplingMethod.GENERATIVE and is_of_one:
            if isinstance(computes, SamplingMetric):
                return lambda doc, response: float(computes.compute_score(doc, response))
            return lambda doc, response: float(computes.compute(doc=doc, model_response=response))
    raise EvaluationError(f"--benchmark {dotted}: the task has no metric that scores one generated answer")


def describe(dotted: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return how a named task generates, and its problems."""
    datasets.disable_progress_bars()
    config = named_task(dotted)
    task_metric(dotted)
    try:
        docs = LightevalTask(config).eval_docs()
    except Exception as error:  # the readers of data sets raise many types
        raise EvaluationError(
            f"--benchmark {dotted}: its data {config.hf_repo} cannot be loaded ({str(error)[:200]}); fetch it beforehand "
            f"with `hf download {config.hf_repo} --repo-type dataset`"
        ) from None
    source = inspect.getsourcefile(config.prompt_function) or ""
    code = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
    facts = {"code": code, "max_new_tokens": config.generation_size, "stop": list(config.stop_sequence or [])}
    return facts, list(map(_described, docs))


def _described(doc: Doc) -> dict[str, Any]:
    try:
        specific = json.dumps(doc.specific or {})
    except TypeError:
        specific = "{}"
    golds = doc.get_golds()
    return {
        "query": doc.query,
        "gold": str(golds[0]) if golds else "",
        "choices": list(map(str, doc.choices)),
        "gold_index": doc.gold_index,
        "instruction": doc.instruction,
        "specific": specific,
    }
