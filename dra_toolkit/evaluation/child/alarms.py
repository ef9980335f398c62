"""lighteval's own time limits, in processor time instead of wall time, and counted.

lighteval gives each step of its metric a few seconds by SIGALRM, and takes a step that has none left for one that found
nothing. On a busy machine that makes right answers wrong without a word.
"""

from __future__ import annotations

import functools
import inspect
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

out_of_time = 0
"""How many steps have run out of their time in this process so far."""


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
            previous = signal.signal(signal.SIGPROF, _stop)
            try:
                signal.setitimer(signal.ITIMER_PROF, timeout_seconds)
                return function(*arguments, **named)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.signal(signal.SIGPROF, previous)

        return bounded

    return decorator


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    global out_of_time
    out_of_time += 1
    raise TimeoutError("Operation timed out!")
