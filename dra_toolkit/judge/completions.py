r"""Where a completion states its final answer.

The answer is the last `\boxed{}` after the thinking; where there is none, a closing `<answer>` counts, a last line `#### 8`,
a sentence "the answer is $...$", also without delimiters where that ends the text, or a text that is nothing but an answer.
A last box that is empty or never closed is no answer, and no earlier box stands in for it.
"""

import re

from dra_toolkit.judge.notation import known_pattern

LONGEST = 10_000  # characters of an answer; a longer one is none
_TAIL = 20_000  # characters from the end in which a sentence with the answer is looked for
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*")
_TAG = re.compile(r"<answer>((?:(?!<answer>).){1,2000}?)</answer>", re.DOTALL | re.IGNORECASE)
_MATHS = r"\$\$?([^$\n]{1,500})\$\$?|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]"
_MARKED = re.compile(r"^####[ \t]*([^\n]{1,200}?)\s*\Z", re.MULTILINE)
_LABEL = (
    r"(?:\b(?:answer|result)\b(?:\s+to\b[^.\n$]{0,60}?)?[\s*]*(?:\b(?:is|are|equals)\b|[:=])|(?:答案|结果)\s*[是为：:])"
)
_SENTENCE = re.compile(
    rf"(?:\b(?:answer|result)\b|{_LABEL})[\s:=*]*(?:{_MATHS})(?P<more>\s*(?:or|and|,)\s*(?:\$|\\\())?",
    re.DOTALL | re.IGNORECASE,
)
_LAST = re.compile(
    rf"{_LABEL}[\s:：=*]*((?:\$(?=[\d.]))?(?:(?![.。]\s|\\[(\[])[^\n$]){{1,60}}?)[\s.。!*]*\Z", re.IGNORECASE
)
_ALONE = known_pattern("alone")
OPENING, CLOSING = "<think>", "</think>"


def final_answer(completion: str, *, boxes_in_thinking: bool = False) -> str | None:
    r"""Return the text of the final answer, or None.

    boxes_in_thinking: let the last box of the thinking count where nothing after it states an answer, as open-r1 does.

    >>> final_answer(r"<think>\boxed{3}?</think> so it is \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> final_answer(r"<think>perhaps \boxed{3}, no") is None
    True
    """
    found = _stated(spoken(completion))
    if found is None and boxes_in_thinking:
        found = last_box(completion)
    return found if found and found.strip() and len(found) <= LONGEST else None


def spoken(completion: str) -> str:
    """Return what a completion says after its thinking; nothing if the thinking never ends."""
    after = completion.rpartition(CLOSING)[2]
    return "" if OPENING in after else after


def last_box(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{}`; None if there is none or it is never closed."""
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    if text[start : start + 1] != "{":
        bare = re.compile(r"[^\s$.,\\]{1,40}").match(text, start)
        return bare[0] if bare else None
    depth = 0
    for mark in re.finditer(r"\\.|[{}]", text[start : start + LONGEST + 2], re.DOTALL):
        depth += (mark[0] == "{") - (mark[0] == "}")
        if depth == 0:
            return text[start + 1 : start + mark.start()]
    return None


def _stated(text: str) -> str | None:
    if _BOX.search(text):
        return last_box(text)
    tail = text[-_TAIL:].rstrip()
    tags = _TAG.findall(tail)
    if tags:
        return str(tags[-1])
    alone = _ALONE.fullmatch(text.strip()) if len(text) <= _TAIL else None
    last = _MARKED.search(tail) or _LAST.search(tail) or alone
    sentences = list(_SENTENCE.finditer(tail))
    if not sentences or (last and last.start(1) >= sentences[-1].end() and re.search(r"\d", last[1])):
        return last[1] if last else None
    return None if sentences[-1]["more"] else next(part for part in sentences[-1].groups()[:3] if part)
