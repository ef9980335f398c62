"""Whether answers are right, decided by math-verify in bounded worker processes."""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from dra_toolkit.errors import RecipeError
from dra_toolkit.rewards.judge import ANSWER_CHARACTERS, Verdict, judge, judge_as_released
from dra_toolkit.rewards.pool import BoundedPool

_REMEMBERED_GOLDS = 4096

Judge = Callable[[str, str], Verdict]


class MathVerifier:
    """Judges answers against gold answers; safe to use from any thread.

    Every pair has at most `timeout` seconds of wall time; then its worker process is killed and replaced. `max_workers`
    processes, by default one per processor and at most 4, start with the first pair and end with this process.
    """

    def __init__(self, *, timeout: float = 5.0, max_workers: int | None = None) -> None:
        workers = max_workers or min(4, os.cpu_count() or 1)
        self._pool = BoundedPool(timeout=timeout, max_workers=workers, warm_up=import_math_verify)
        self._unparsable: OrderedDict[tuple[Judge, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, *, gold: Sequence[str | None], answers: Sequence[str]) -> list[Verdict]:
        """Judge the last answer in each of N texts against N gold answers, as `judge.judge` does.

        Only the last `ANSWER_CHARACTERS` characters of each text are searched; equal pairs are judged once. `timed_out`
        also stands for a pair that ended its worker process in another way.
        """
        return self._verify(judge, gold, answers)

    def verify_as_released(self, *, gold: Sequence[str | None], answers: Sequence[str]) -> list[Verdict]:
        """Judge like `verify`, but as the released code does: see `judge.judge_as_released`."""
        return self._verify(judge_as_released, gold, answers)

    def close(self) -> None:
        """End the worker processes; a later call starts new ones."""
        self._pool.close()

    def __enter__(self) -> MathVerifier:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _verify(self, judge: Judge, gold: Sequence[str | None], answers: Sequence[str]) -> list[Verdict]:
        if isinstance(gold, str) or isinstance(answers, str):
            raise TypeError("gold and answers are sequences with one string for each completion")
        pairs = [(_end(gold_answer), _end(answer)) for gold_answer, answer in zip(gold, answers, strict=True)]
        verdicts: dict[tuple[str, str], Verdict] = {}
        for pair in pairs:
            if self._is_unparsable(judge, pair[0]):
                verdicts[pair] = Verdict.unparsable_gold
        open_pairs = [pair for pair in dict.fromkeys(pairs) if pair not in verdicts]
        for pair, verdict in zip(open_pairs, self._pool.run(judge, open_pairs), strict=True):
            verdicts[pair] = verdict or Verdict.timed_out
            if verdict is Verdict.unparsable_gold:
                self._remember(judge, pair[0])
        return [verdicts[pair] for pair in pairs]

    def _is_unparsable(self, judge: Judge, gold: str) -> bool:
        with self._lock:
            known = (judge, gold) in self._unparsable
            if known:
                self._unparsable.move_to_end((judge, gold))
        return known or not gold.strip()

    def _remember(self, judge: Judge, gold: str) -> None:
        with self._lock:
            self._unparsable[judge, gold] = None
            while len(self._unparsable) > _REMEMBERED_GOLDS:
                self._unparsable.popitem(last=False)


@functools.cache
def shared_verifier() -> MathVerifier:
    """Return the verifier that all reward functions of this process share, so that there is one set of workers."""
    missing = [name for name in ("math_verify", "pebble") if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"reward_funcs: judging answers needs the package {missing[0].replace('_', '-')}, which is not installed; "
            "install dra-toolkit[train]"
        )
    return MathVerifier()


def import_math_verify() -> None:
    """Import what the judges need before the first pair, so that no pair pays for it out of its own time."""
    import math_verify  # noqa: F401


def _end(text: str | None) -> str:
    return "" if text is None else str(text)[-ANSWER_CHARACTERS:]
