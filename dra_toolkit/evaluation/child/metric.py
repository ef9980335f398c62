"""Score one answer: Open-RS's metric through lighteval, and beside it the toolkit's judge."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

PRECISION = 5


@dataclass(frozen=True, kw_only=True)
class Score:
    """What was made of one answer."""

    correct: bool
    answer: str | None
    """The final answer as parsed, in one notation; None where none was found."""


@functools.cache
def open_rs_metric(extraction: str) -> Any:
    """Return Open-RS's metric; extraction: how golds are read, `latex` or `expression`."""
    from lighteval.metrics.dynamic_metrics import MultilingualExtractiveMatchMetric
    from lighteval.metrics.utils.extractive_match_utils import ExprExtractionConfig, LatexExtractionConfig
    from lighteval.utils.language import Language

    from dra_toolkit.evaluation.child import alarms

    gold = LatexExtractionConfig() if extraction == "latex" else ExprExtractionConfig()
    alarms.use_processor_time()
    return MultilingualExtractiveMatchMetric(
        language=Language.ENGLISH,
        fallback_mode="first_match",
        precision=PRECISION,
        gold_extraction_target=(gold,),
        pred_extraction_target=(ExprExtractionConfig(), LatexExtractionConfig(boxed_match_priority=0)),
        aggregation_function=max,
    )


def score(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> Score:
    """Score a completion of a problem.

    metric: `extraction` of the benchmark, or the `task` whose own metric scores; row: the problem as staged for the child.
    """
    from lighteval.models.model_output import ModelResponse

    from dra_toolkit.evaluation.child.tasks import doc_of, task_metric

    doc = doc_of(row)
    response = ModelResponse(text=[text])
    if metric.get("task"):
        return Score(correct=task_metric(metric["task"])(doc, response) >= 0.5, answer=_answer(doc))
    return Score(correct=open_rs_metric(metric["extraction"]).compute(doc, response) >= 0.5, answer=_answer(doc))


def judged(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> bool | None:
    """Return the judge's verdict, None if no gold can be read; metric: `repaired` where decimals have a tolerance."""
    from dra_toolkit.judge import Verdict
    from dra_toolkit.judge.judging import judge, near

    index = row.get("gold_index")
    golds = [row["choices"][i] for i in index] if isinstance(index, list) and row.get("choices") else [row["gold"]]
    found = {gold: judge(gold, text) for gold in map(str, golds)}
    if all(one.verdict is Verdict.unreadable_gold for one in found.values()):
        return None
    if any(one.verdict is Verdict.right for one in found.values()):
        return True
    return bool(metric.get("repaired")) and any(one.answer and near(gold, one.answer) for gold, one in found.items())


def _answer(doc: Any) -> str | None:
    """Return the first answer that the metric read, as it wrote it beside the problem."""
    found = (doc.specific or {}).get("extracted_predictions") or []
    text = str(found[0]).strip() if found else ""
    return text[:500].encode("utf-8", "replace").decode() or None
