"""lighteval tasks as a user may write them, named by dotted path in the tests."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetric
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod


class HoldsLetter(SampleLevelComputation):
    """Whether the answer holds a letter of the gold."""

    def compute(self, doc: Doc, model_response: Any) -> float:
        """Score the last answer."""
        return float(any(letter in model_response.text[-1] for letter in doc.get_golds()[0]))


class Stubborn(SampleLevelComputation):
    """Never ends, and swallows every exception."""

    def compute(self, doc: Doc, model_response: Any) -> float:
        """Go on for ever, also where an alarm comes just between two rounds, outside of what swallows it."""
        for alarm in (signal.SIGVTALRM, signal.SIGPROF):
            signal.signal(alarm, lambda *_: None)
        while True:
            with contextlib.suppress(BaseException):
                sum(range(10**5))


def prompt(line: dict[str, Any], task_name: str | None = None) -> Doc:
    """Ask for a letter."""
    return Doc(task_name=task_name, query=f"Letter {line['number']}?", choices=["e", "eo"], gold_index=1)


def _task(name: str, computation: SampleLevelComputation) -> LightevalTaskConfig:
    metric = SampleLevelMetric(
        metric_name="letter",
        sample_level_fn=computation,
        category=SamplingMethod.GENERATIVE,
        corpus_level_fn=np.mean,
        higher_is_better=True,
    )
    return LightevalTaskConfig(
        name=name,
        prompt_function=prompt,
        hf_repo=str(Path(__file__).with_name("letters")),
        hf_subset="default",
        evaluation_splits=["test"],
        metrics=[metric],
        generation_size=8,
    )


letters = _task("letters", HoldsLetter())
stubborn = _task("stubborn", Stubborn())
