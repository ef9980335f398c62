r"""Where a gold states its answer: golds are bare expressions, worked solutions, sentences, tagged or labelled texts."""

import math
import re
from typing import Any

from dra_toolkit.judge.completions import last_box, spoken
from dra_toolkit.judge.notation import known_pattern

_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_MARK = re.compile(r"####\s*([^\n]*)\s*\Z")
_LABEL = known_pattern("label", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.。;；](?=\s|$)|\n|,\s+(?=(?:as|since|because|which)\b)")
_LEADING = known_pattern("leading", re.IGNORECASE)
_DELIMITED = re.compile(r"(?<!\\)\$\$?([^$]+?)(?<!\\)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_AMOUNT = re.compile(r"(?<!\\)\$\s?-?\d[\d,.]*")
_PROSE = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}\s+[A-Za-z]{2,}")


def gold_text(value: Any) -> str | None:
    """Return a gold of a data set as text: what JSON and CSV hold; None where it is missing.

    A list of one stands for its element. Raises ValueError, with what was found, for a list of several, an object, or a
    date: what they mean must be said by whoever made them.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        return gold_text(value[0])
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str | bool | int | float) or type(value).__module__ == "decimal":
        return str(value)
    if isinstance(value, list | tuple):
        raise ValueError(f"a list of {len(value)}")
    raise ValueError("an object" if isinstance(value, dict) else f"a {type(value).__name__}")


def stated_gold(gold: str) -> str | None:
    r"""Return the part of a gold that is its answer; None where it states none.

    >>> stated_gold("Half of 4 is <<4/2=2>>2, at $3 each.\n#### 6")
    '6'
    >>> stated_gold("x = 3 is too small. The answer is 4.")
    '4'
    """
    text = (spoken(gold) or gold).strip()
    marked = _MARK.search(text)
    if marked:
        return marked[1].strip() or None
    boxed = last_box(text)
    if boxed is not None:
        return boxed.strip() or None
    tagged = _TAG.findall(text)
    if tagged:
        return stated_gold(tagged[-1])
    text = _LEADING.sub("", without_label(text))
    return _delimited(text) if "$" in text or "\\(" in text or "\\[" in text else text or None


def without_label(text: str) -> str:
    """Return a text without a leading "the answer is", or what follows the last such words in prose."""
    flat = re.sub(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}", r"\1", text)
    labels = list(_LABEL.finditer(flat))
    if not labels:
        return text
    rest = flat[labels[-1].end() :]
    ended = _SENTENCE_END.search(rest)
    return (rest[: ended.start()] if ended else rest).strip().removesuffix("**")


def _delimited(text: str) -> str | None:
    """Return the only mathematical text between delimiters, with what stands around it if that is short."""
    if re.search(r"(?<!\\)\$\s?-?[\d.]", text) and len(_AMOUNT.findall(text)) == len(re.findall(r"(?<!\\)\$", text)):
        return None if _PROSE.search(text) else text  # amounts of money
    around = _DELIMITED.sub(" ", text)
    if _PROSE.search(around):
        return None
    found = [next(group for group in match.groups() if group) for match in _DELIMITED.finditer(text)]
    if len(found) == 1 and not around.strip(" .;,"):
        return found[0]
    return _DELIMITED.sub(lambda match: next(group for group in match.groups() if group), text)
