"""Score one answer: Open-RS's metric through lighteval, and beside it the toolkit's judge, within bounds on time and memory.

lighteval gives each step of its metric a few seconds of wall time, and takes a step that has none left for one that found
nothing: on a busy machine that makes right answers wrong without a word. Here its limits are processor time, and counted.
"""

import functools
import inspect
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

from dra_toolkit.judge.worker import call

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # lighteval imports git, which else insists on its program

PRECISION = 5
CPU_SECONDS, JUDGE_SECONDS = 8.0, 5.0
NOTHING = {"correct": False, "judged": None, "answer": None}
out_of_time = 0
"""How many steps have run out of their time in this process so far."""


@functools.cache
def open_rs_metric(extraction: str) -> Any:
    """Return Open-RS's metric; extraction: how golds are read, `latex` or `expression`."""
    from lighteval.metrics.dynamic_metrics import MultilingualExtractiveMatchMetric
    from lighteval.metrics.utils.extractive_match_utils import ExprExtractionConfig, LatexExtractionConfig
    from lighteval.utils.language import Language

    gold = LatexExtractionConfig() if extraction == "latex" else ExprExtractionConfig()
    use_processor_time()
    logging.getLogger("lighteval").setLevel(logging.ERROR)  # it prints whole completions that it cannot parse
    return MultilingualExtractiveMatchMetric(
        language=Language.ENGLISH,
        fallback_mode="first_match",
        precision=PRECISION,
        gold_extraction_target=(gold,),
        pred_extraction_target=(ExprExtractionConfig(), LatexExtractionConfig(boxed_match_priority=0)),
        aggregation_function=max,
    )


def score(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return whether a completion of a problem is `correct`, and its `answer` in one notation, None where none was found.

    metric: `extraction` of the benchmark, or the `task` whose own metric scores; row: the problem as staged for the child.
    """
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    doc = Doc(
        query=row["query"],
        choices=list(row.get("choices") or [row["gold"]]),
        gold_index=row["gold_index"] if row.get("gold_index") is not None else 0,
        instruction=row.get("instruction"),
        specific={**json.loads(row.get("specific") or "{}"), "problem": row["id"]},
    )
    response = ModelResponse(text=[text])
    if metric.get("task"):
        from dra_toolkit.evaluation.child.tasks import task_metric

        correct = task_metric(metric["task"])(doc, response) >= 0.5
    else:
        correct = open_rs_metric(metric["extraction"]).compute(doc, response) >= 0.5
    found = (doc.specific or {}).get("extracted_predictions") or []  # as the metric wrote them beside the problem
    answer = str(found[0]).strip()[:500].encode("utf-8", "replace").decode() if found else None
    return {"correct": correct, "answer": answer or None}


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


def score_within_bounds(metric: Mapping[str, Any], row: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Score one answer in the main thread of this process; one that uses up its time or memory is wrong."""
    before = out_of_time
    made, how = _bounded(lambda: score(metric, row, text), CPU_SECONDS)
    if how == "scored" and out_of_time > before:
        how = "out of time inside the metric"
    verdict, judged_how = _bounded(lambda: judged(metric, row, text), JUDGE_SECONDS)
    if judged_how != "scored":
        verdict, how = False, f"judge: {judged_how}" if how == "scored" else how
    return {**(made or NOTHING), "judged": verdict, "how": how}


def _bounded(function: Callable[[], Any], seconds: float) -> tuple[Any, str]:
    """Return what a function returns, and "scored"; or None, and why it returned nothing."""
    try:
        found = call(seconds, lambda: (function(),))
    except MemoryError:
        return None, "out of memory"
    except RecursionError:
        return None, "nested too deeply"
    except Exception as error:  # whatever a parser makes of hostile text must not end the evaluation
        return None, f"metric failed: {type(error).__name__}"
    return (None, "out of time") if found is None else (found[0], "scored")


def use_processor_time() -> None:
    """Replace the limits of lighteval 0.13.0; calling it again changes nothing."""
    from lighteval.metrics import dynamic_metrics
    from lighteval.metrics.utils import extractive_match_utils, math_comparison

    if extractive_match_utils.timeout is processor_timeout:
        return
    extractive_match_utils.timeout = math_comparison.timeout = processor_timeout
    metric = dynamic_metrics.MultilingualExtractiveMatchMetric
    original = inspect.getclosurevars(metric.add_to_specifics_with_timeout).nonlocals["func"]
    metric.add_to_specifics_with_timeout = processor_timeout(2)(original)


def processor_timeout(timeout_seconds: int = 10) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator like lighteval's `timeout`: TimeoutError after so many seconds of processor time."""

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def bounded(*arguments: Any, **named: Any) -> Any:
            previous = signal.signal(signal.SIGVTALRM, _stop)
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, timeout_seconds)
                return function(*arguments, **named)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                signal.signal(signal.SIGVTALRM, previous)

        return bounded

    return decorator


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    global out_of_time
    out_of_time += 1
    raise TimeoutError("Operation timed out!")
