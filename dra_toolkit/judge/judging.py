"""Judge one pair, here and now; hostile text may take long, so that whoever has any asks `service.Judge`."""

from __future__ import annotations

import functools
import logging

from dra_toolkit.judge.comparing import same
from dra_toolkit.judge.completions import final_answer
from dra_toolkit.judge.golds import stated_gold
from dra_toolkit.judge.notation import plain, squeezed
from dra_toolkit.judge.reading import read
from dra_toolkit.judge.values import Value
from dra_toolkit.judge.verdict import Judgement, Verdict
from dra_toolkit.safe_text import kind_and_line

_log = logging.getLogger(__name__)


def judge(gold: str, completion: str, *, boxes_in_thinking: bool = False) -> Judgement:
    r"""Judge the final answer of a completion against a gold in any of the forms that data sets hold.

    >>> judge("Two hats at $3 are $6.\n#### 6", r"so \boxed{6 \text{ dollars}}").verdict
    <Verdict.right: 'right'>
    """
    stated, expected = read_gold(gold)
    if expected is None:
        return Judgement(Verdict.unreadable_gold, None, None)
    answer = final_answer(completion, boxes_in_thinking=boxes_in_thinking)
    if answer is None:
        return Judgement(Verdict.no_answer, stated, None)
    return Judgement(Verdict.right if equivalent(stated or "", answer) else Verdict.wrong, stated, answer)


def equivalent(gold: str, answer: str) -> bool:
    """Return whether two final answers, without what surrounds them, are the same; written alike they are."""
    left, right = plain(gold), plain(answer)
    if squeezed(left) == squeezed(right):
        return True
    try:
        expected, found = _read(gold), _read(answer)
        return expected is not None and found is not None and same(expected, found)
    except Exception as error:  # whatever hostile text does to a reader, it is no right answer and ends nothing
        _log.warning("%.80r could not be compared with %.80r, counted as wrong: %s", answer, gold, kind_and_line(error))
        return False


@functools.lru_cache(maxsize=4096)
def read_gold(gold: str) -> tuple[str | None, Value | None]:
    """Return the part of a gold that is its answer, and what it was read as; None where it cannot be read."""
    stated = stated_gold(gold)
    try:
        return (stated, read(stated)) if stated else (None, None)
    except Exception as error:  # as for answers: a gold that breaks a reader is not read
        _log.warning("the gold %.80r could not be read: %s", stated, kind_and_line(error))
        return stated, None


_read = functools.lru_cache(maxsize=1024)(read)
