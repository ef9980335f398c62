r"""Judge one answer against one gold answer with math-verify; runs in a worker process, in its main thread.

math-verify sets SIGALRM and, away from a main thread, silently calls every answer wrong, and some expressions keep it
busy for minutes: call these functions only through `verifier.MathVerifier`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

ANSWER_CHARACTERS = 20_000
"""How much of the end of a text is searched for an answer; the last answer counts, so what comes earlier cannot matter
unless more than this follows it."""

_MATHS = re.compile(r"\\boxed|\\\(|\\\[|(?<!\\)\$[^$]+(?<!\\)\$")
_NO_ALARM = 3600  # seconds; the worker's own bound comes first, so that a slow pair is counted instead of called wrong


class Verdict(StrEnum):
    """What became of one pair of gold answer and answer."""

    correct = "correct"
    wrong = "wrong"
    unparsable_gold = "unparsable_gold"
    timed_out = "timed_out"


def judge(gold: str, answer: str) -> Verdict:
    r"""Compare the last answer in a completion with the gold answer.

    The gold answer is a bare answer (`2\sqrt{3}`) or a text whose answer stands in \boxed{} or between mathematical
    delimiters. The answer of a completion must be in \boxed{}, or follow `answer` between delimiters; without one the
    completion is wrong. Its LaTeX must be well formed (`\frac14` is not), as open-r1 demands.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    config = LatexExtractionConfig(boxed_match_priority=0)
    expected = parse(boxed(gold), [config], extraction_mode="first_match", parsing_timeout=_NO_ALARM)
    if all(isinstance(part, str) for part in expected):  # no expression in it, at most the text that was tried
        return Verdict.unparsable_gold
    found = parse(answer, [_answer_config()], extraction_mode="first_match", parsing_timeout=_NO_ALARM)
    equal = verify(gold=expected, target=found, timeout_seconds=_NO_ALARM)
    return Verdict.correct if equal else Verdict.wrong


def judge_as_released(gold: str, answer: str) -> Verdict:
    """Compare as the released Open-RS and DRA-GRPO code does, defects included.

    The gold answer is parsed as it stands, so a bare one is unparsable; gold answer and answer change places in
    `verify`, which is not symmetric; math-verify's own time limits make slow pairs wrong.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    expected = parse(gold, [LatexExtractionConfig()], extraction_mode="first_match")
    if not expected:
        return Verdict.unparsable_gold
    found = parse(answer, [_answer_config()], extraction_mode="first_match")
    return Verdict.correct if verify(gold=found, target=expected) else Verdict.wrong


def boxed(gold: str) -> str:
    r"""Wrap a bare gold answer in \boxed{}: unwrapped, math-verify reads `2\sqrt{3}` as nothing or as 2."""
    return gold if _MATHS.search(gold) else rf"\boxed{{{gold}}}"


def _answer_config() -> Any:
    """Return how open-r1 and Open-RS look for the answer: what is boxed first, no guessing, strict LaTeX."""
    from math_verify import LatexExtractionConfig
    from math_verify.parser import NormalizationConfig

    return LatexExtractionConfig(
        try_extract_without_anchor=False,
        boxed_match_priority=0,
        normalization_config=NormalizationConfig(
            basic_latex=True, units=True, malformed_operators=False, nits=False, boxed="all", equations=True
        ),
    )
