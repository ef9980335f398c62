"""Benchmarks as lighteval's tasks: configuration, documents, and a metric that reads the scores made beside."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation, SamplingMetric
from lighteval.metrics.utils.metric_utils import SampleLevelMetricGrouping
from lighteval.tasks.lighteval_task import LightevalTask, LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from dra_toolkit.dotted import load_dotted
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.child import shims
from dra_toolkit.evaluation.results.json_lines import append_line

ACCURACY = "extractive_match"
"""The name that Open-RS's logs give the metric; with several samples it is their mean."""


def doc_of(row: Mapping[str, Any], task_name: str = "") -> Doc:
    """Return lighteval's document for a staged problem."""
    return Doc(
        task_name=task_name,
        query=row["query"],
        choices=list(row.get("choices") or [row["gold"]]),
        gold_index=row["gold_index"] if row.get("gold_index") is not None else 0,
        instruction=row.get("instruction"),
        specific={**json.loads(row.get("specific") or "{}"), "problem": row["id"]},
    )


class KeptScores(SampleLevelComputation, SamplingMetric):
    """Reports the scores that were made of a problem's samples, each of which is scored once."""

    def __init__(self, n: int, scores: Callable[[str], list[bool]]) -> None:
        self._n, self._scores = n, scores

    def __deepcopy__(self, memo: dict[int, Any]) -> KeptScores:
        return self

    def __repr__(self) -> str:
        return f"KeptScores(n={self._n})"

    def num_samples(self) -> int:
        """Return the samples of each problem."""
        return self._n

    def compute(self, doc: Doc, model_response: Any) -> dict[str, float]:
        """Return the mean over the samples, and unbiased estimates of pass@k."""
        right = self._scores(doc.specific["problem"])
        return {
            ACCURACY: float(np.mean(right)),
            **{pass_name(k, self._n): pass_at_k(self._n, sum(right), k) for k in ks(self._n)},
        }


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the chance that k of n samples, drawn without putting back, hold a correct one (arXiv 2107.03374)."""
    if n - correct < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - correct + 1, n + 1)))


def ks(n: int) -> list[int]:
    """Return the k of pass@k that lighteval's files state: powers of two up to n, and n."""
    return sorted({2**i for i in range(1, 12) if 2**i <= n} | ({n} if n > 1 else set()))


def pass_name(k: int, n: int) -> str:
    """Return how lighteval calls pass@k."""
    return f"pass@k:k={k}&n={n}"


def task_config(benchmark: Mapping[str, Any], scores: Callable[[str], list[bool]]) -> LightevalTaskConfig:
    """Return the configuration of a benchmark; scores: gives those of a problem's samples by its id."""
    n = benchmark["sampling"]["n"]
    names = [ACCURACY, *(pass_name(k, n) for k in ks(n))]
    metric = SampleLevelMetricGrouping(
        metric_name=names,
        higher_is_better=dict.fromkeys(names, True),
        category=SamplingMethod.GENERATIVE,
        sample_level_fn=KeptScores(n, scores),
        corpus_level_fn=dict.fromkeys(names, np.mean),
    )
    return LightevalTaskConfig(
        name=benchmark["name"],
        prompt_function=doc_of,
        hf_repo=benchmark["problems_file"],
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        few_shots_split="test",
        metrics=[metric],
        generation_size=benchmark["sampling"]["max_new_tokens"],
        stop_sequence=benchmark.get("stop", []),
        version=1,
    )


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
        if (
            metric.category != SamplingMethod.GENERATIVE
            or metric.batched_compute
            or not isinstance(metric.metric_name, str)
        ):
            continue
        if isinstance(computes, SamplingMetric):
            return lambda doc, response: float(computes.compute_score(doc, response))
        return lambda doc, response: float(computes.compute(doc=doc, model_response=response))
    raise EvaluationError(f"--benchmark {dotted}: the task has no metric that scores one generated answer")


def describe(dotted: str, output: Path) -> None:
    """Write the problems of a named task, and how it generates, to `output`: a line of facts, then one for each problem."""
    import os

    shims.apply()
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
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    append_line(file, facts)
    for doc in docs:
        append_line(file, _described(doc))
    os.close(file)


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
