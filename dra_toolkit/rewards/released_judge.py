"""The verdict of the released Open-RS and DRA-GRPO code, for measuring what its defects change."""

from __future__ import annotations

from typing import Any

from dra_toolkit.judge.verdict import Verdict

ANSWER_CHARACTERS = 20_000
"""How much of the end of gold and completion is searched for an answer."""


def judge_as_released(gold: str, answer: str) -> Verdict:
    """Compare as the released Open-RS and DRA-GRPO code does, defects included.

    The gold answer is parsed as it stands, so a bare one is unparsable; gold answer and answer change places in
    `verify`, which is not symmetric; math-verify's own time limits make slow pairs wrong.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    expected = parse(gold, [LatexExtractionConfig()], extraction_mode="first_match")
    if not expected:
        return Verdict.unreadable_gold
    found = parse(answer, [_answer_config()], extraction_mode="first_match")
    return Verdict.right if verify(gold=found, target=expected) else Verdict.wrong


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
