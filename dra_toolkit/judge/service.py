"""Judge many pairs in worker processes with bounds on their processor time, the same on an idle and a busy machine."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge import Judgement, Verdict
from dra_toolkit.judge.completions import final_answer
from dra_toolkit.judge.judging import judge, judge_answer, read_gold
from dra_toolkit.judge.pool import BoundedPool

CPU_SECONDS = 5.0
"""Processor time that one pair may take; one that takes more is tried once more, with nothing beside it."""
GOLD_CHARACTERS = 20_000
"""How much of the end of a gold is read."""


class JudgeService:
    """Judges completions against golds; safe to use from any thread.

    `workers` processes, by default one per processor and at most 4, and a warm spare, start with the first pair and end
    with this process.
    """

    def __init__(self, *, cpu_seconds: float = CPU_SECONDS, workers: int | None = None) -> None:
        self._pool = BoundedPool(
            cpu_seconds=cpu_seconds, workers=workers or min(4, os.cpu_count() or 1), warm_up=warm_up
        )

    def judge(
        self, *, golds: Sequence[str | None], completions: Sequence[str], boxes_in_thinking: bool = False
    ) -> list[Judgement]:
        """Judge N completions against N golds, as `judging.judge` does; equal pairs are judged once."""
        if isinstance(golds, str) or isinstance(completions, str):
            raise TypeError("golds and completions are sequences with one text for each pair")
        answers = [final_answer(text, boxes_in_thinking=boxes_in_thinking) for text in completions]
        pairs = [(_end(gold), answer) for gold, answer in zip(golds, answers, strict=True)]
        judged = self.bounded(judge_answer, [pair for pair in dict.fromkeys(pairs) if pair[0].strip()])
        return [
            judged[pair] or Judgement(Verdict.timed_out, None, pair[1])
            if pair[0].strip()
            else Judgement(Verdict.unreadable_gold, None, None)
            for pair in pairs
        ]

    def read_golds(self, golds: Sequence[str | None]) -> list[str | None]:
        """Return what was read from each of N golds as its answer; None where nothing could be."""
        texts = [_end(gold) for gold in golds]
        chunks = [tuple(texts[i : i + 200]) for i in range(0, len(texts), 200)]
        read = self.bounded(stated_golds, [(chunk,) for chunk in chunks])
        lost = [((gold,),) for chunk in chunks if read[(chunk,)] is None for gold in chunk]
        alone = self.bounded(stated_golds, lost) if lost else {}
        of_chunks = [read[(chunk,)] or [(alone[((gold,),)] or [None])[0] for gold in chunk] for chunk in chunks]
        return [one for chunk in of_chunks for one in chunk]

    def bounded(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
        """Return what a function returns by its arguments; None where it ran out of time twice or ended its process."""
        results = dict(zip(calls, self._pool.run(function, calls), strict=True))
        for call, result in results.items():
            if result is None:
                results[call] = self._pool.run(function, [call])[0]
        return results

    def close(self) -> None:
        """End the worker processes; a later call starts new ones."""
        self._pool.close()

    def __enter__(self) -> JudgeService:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@functools.cache
def shared_judge() -> JudgeService:
    """Return the service that all of this process share, so that there is one set of workers."""
    missing = [name for name in ("math_verify", "mpmath", "pebble") if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"reward_funcs: judging answers needs the package {missing[0].replace('_', '-')}, which is not installed; "
            "install dra-toolkit[train]"
        )
    return JudgeService()


def stated_golds(golds: Sequence[str]) -> list[str | None]:
    """Return what is read from golds as their answers."""
    return [stated if value is not None else None for stated, value in map(read_gold, golds)]


def warm_up() -> None:
    """Have a worker import what it needs before the first pair, so that no pair pays for it out of its own time."""
    import math_verify  # noqa: F401

    judge("1", r"\boxed{\sqrt{1}}")


def _end(text: str | None) -> str:
    return "" if text is None else str(text)[-GOLD_CHARACTERS:]
