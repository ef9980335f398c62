"""A second verdict for golds that the comparison metric cannot compare: rounded numbers, units, lost degrees.

Minerva's golds are often Python floats (`3.83e35`) or carry a unit, where a right answer reads `3.83 \\times 10^{35}`. Two
numbers agree if they differ by at most 1%, or half a unit of the gold's last digit, whichever is more; anything else is
compared by the same metric, with units and ornaments removed from both sides.
"""

from __future__ import annotations

import re

TOLERANCE = 0.01
LONGEST = 400
_NUMBER = r"[-+]?(?:\d+(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d)\.)?"
_PLAIN = re.compile(rf"({_NUMBER})(?:[eE]([-+]?\d{{1,3}}))?")
_SCIENTIFIC = re.compile(rf"({_NUMBER})\s*(?:\\times|\\cdot|\*|x)?\s*10\s*\^\s*\{{?\s*([-+]?\d{{1,3}})\s*\}}?")
_UNIT = re.compile(r"\\(?:text|mathrm|rm|textrm|mbox|operatorname)\s*\{[^{}]*\}|\^?\s*\{?\\circ\}?|\\degree|\\%|%|\$")
_SPACE = re.compile(r"\\[,;:! ]|~|\\quad|\\left|\\right|\s+")


def accepts(gold: str, text: str) -> bool:
    """Return whether the last box of a completion agrees with the last box of the gold.

    >>> accepts("so it is \\\\boxed{3.83e35}.", "We get $\\\\boxed{3.83 \\\\times 10^{35} \\\\text{ erg}}$")
    True
    """
    expected, given = last_box(gold) or gold, last_box(text)
    if given is None or len(given) > LONGEST or len(expected) > LONGEST:
        return False
    expected, given = plain(expected), plain(given)
    if expected == given:
        return True
    wanted, found = number(expected), number(given)
    if wanted is not None and found is not None:
        return abs(found - wanted) <= max(abs(wanted) * TOLERANCE, _half_a_digit(expected, wanted))
    return _same_expression(expected, given)


def last_box(text: str) -> str | None:
    """Return what stands in the last `\\boxed{}` of a text, with nested braces; None if there is none."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed{")
    for at in range(begin - 1, min(len(text), begin + LONGEST * 4)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return text[begin:at]
    return None


def plain(text: str) -> str:
    """Return an answer without units, signs of percent and degree, spacing, and what stands left of `=`."""
    text = _SPACE.sub(" ", _UNIT.sub(" ", text)).strip()
    if text.count("=") == 1 and len(text.partition("=")[0].strip()) <= 20:
        text = text.partition("=")[2]
    return text.strip().rstrip(".").strip()


def number(text: str) -> float | None:
    """Return the number that a text is, in plain, exponential or scientific notation; None if it is none."""
    text = text.replace("{,}", ",").strip()
    for pattern in (_SCIENTIFIC, _PLAIN):
        match = pattern.fullmatch(text)
        if match and any(c.isdigit() for c in match[1]):
            return float(match[1].replace(",", "")) * 10.0 ** int(match[2] or 0)
    return None


def _half_a_digit(text: str, value: float) -> float:
    """Return half a unit of the last digit that a number was written with; nothing for whole numbers."""
    mantissa = re.split(r"[eE]|\\times|\\cdot|\*|x", text.replace(",", ""))[0].strip()
    digits = mantissa.partition(".")[2].strip()
    if not digits or not mantissa.strip("+-0. "):
        return 0.0
    scale = abs(value / float(mantissa))
    return float(0.5 * 10.0 ** -len(digits) * scale)


def _same_expression(expected: str, given: str) -> bool:
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    from dra_toolkit.evaluation.child.metric import open_rs_metric

    doc = Doc(query="", choices=[f"\\boxed{{{expected}}}"], gold_index=0)
    return bool(open_rs_metric("latex").compute(doc, ModelResponse(text=[f"\\boxed{{{given}}}"])) >= 0.5)
