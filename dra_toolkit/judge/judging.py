"""Judge one pair, here and now; hostile text may take long, so that whoever has any asks `service.Judge`."""

import functools
import logging
import re

from dra_toolkit.judge import Judgement, Verdict
from dra_toolkit.judge.comparing import same
from dra_toolkit.judge.completions import final_answer
from dra_toolkit.judge.equality import real
from dra_toolkit.judge.golds import stated_gold
from dra_toolkit.judge.notation import plain, squeezed
from dra_toolkit.judge.reading import read
from dra_toolkit.judge.values import Named, Quantity, Value
from dra_toolkit.safe_text import kind_and_line

TOLERANCE = 0.01
_DECIMAL = re.compile(r"[-+]?\d*(?:,\d{3})*\.(\d+)(?:[eE][-+]?\d+)?(?![\d.])|[-+]?\d+[eE][-+]?\d+")
_log = logging.getLogger(__name__)


def judge(gold: str, completion: str, *, boxes_in_thinking: bool = False) -> Judgement:
    r"""Judge the final answer of a completion against a gold in any of the forms that data sets hold.

    >>> judge("Two hats at $3 are $6.\n#### 6", r"so \boxed{6 \text{ dollars}}").verdict
    <Verdict.right: 'right'>
    """
    return judge_answer(gold, final_answer(completion, boxes_in_thinking=boxes_in_thinking))


def judge_answer(gold: str, answer: str | None) -> Judgement:
    """Judge a final answer that was already found in its completion."""
    stated, expected = read_gold(gold)
    if expected is None:
        return Judgement(Verdict.unreadable_gold, None, None)
    if answer is None:
        return Judgement(Verdict.no_answer, stated, None)
    return Judgement(Verdict.right if equivalent(stated or "", answer) else Verdict.wrong, stated, answer)


def equivalent(gold: str, answer: str) -> bool:
    """Return whether two final answers, without what surrounds them, are the same; written alike they are."""
    if squeezed(plain(gold)) == squeezed(plain(answer)):
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


def near(gold: str, answer: str) -> bool:
    """Return whether a final answer is within 1 % of a decimal gold, or within half a unit of its last digit.

    A gold without a decimal point or an exponent is exact, and nothing is near it. Units must agree, or one be left out.

    >>> near("3.83e35", r"3.8 \\times 10^{35}"), near("4", "4.03")
    (True, False)
    """
    stated, expected = read_gold(gold)
    written = _DECIMAL.search(plain(stated or ""))
    found = [v.value if isinstance(v, Named) else v for v in (expected, read(answer))]
    numbers = [value for value in found if isinstance(value, Quantity)]
    if not written or len(numbers) < 2:
        return False
    units = [n.unit for n in numbers if n.unit]
    if len(units) == 2 and units[0].dimensions != units[1].dimensions:
        return False
    sizes = [real(n.size if len(units) == 2 else n.node) for n in numbers]
    if sizes[0] is None or sizes[1] is None or not sizes[0]:
        return False
    mantissa = abs(float(re.split("[eE]", written[0].replace(",", ""))[0])) or 1.0
    half_digit = 0.5 * 10.0 ** -len(written[1]) / mantissa if written[1] else 0.0
    return bool(abs(sizes[0] - sizes[1]) <= abs(sizes[0]) * max(TOLERANCE, half_digit))
