"""Read answers that are no numbers: words, letters of a choice, times of day, dates."""

from __future__ import annotations

import re

from dra_toolkit.judge.expressions import FUNCTIONS
from dra_toolkit.judge.notation import unwrapped
from dra_toolkit.judge.regions import everything, read_region
from dra_toolkit.judge.values import Choice, Clock, Quantity, Value, Words

_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(?:([ap])\.?\s?m\.?|(noon|midnight)|h|o'clock)?", re.IGNORECASE
)
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_CHOICE = re.compile(r"(?:\(([A-Za-z])\)|([A-J])[.:)])\s*([^\s,;].*)")
_PREFIX = re.compile(r"(?:option|choice|letter|选项?)\s*(?=\(?[A-Za-z]\)?[.:]?$)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:T.*)?|\d{1,2}/\d{1,2}/\d{4}")
_STATES = "is are was were has have had there he she they we it so thus therefore hence since because gives get if"
_VERBS = frozenset(_STATES.split())
_ARTICLES = re.compile(r"^(?:an?|the)\s+")


def read_letter(text: str) -> Value | None:
    from dra_toolkit.judge.reading import read_part

    text = _PREFIX.sub("", text)
    single = _LETTER.fullmatch(text)
    if single:
        bare = len(text.strip(".:")) == 1
        return Quantity(("const" if single[1] in "ei" else "sym", single[1])) if bare else Choice(single[1].upper())
    choice = _CHOICE.fullmatch(text)
    if choice and not re.match(
        r"[=<>+*/^(\d-]|\\(?:cdot|times|le|ge|in|ne|cup|pm)", choice[3] if choice[1] and choice[1].islower() else "."
    ):
        return Choice((choice[1] or choice[2]).upper(), read_part(unwrapped(choice[3])))
    return None


def read_clock(text: str) -> Value | None:
    found = _CLOCK.fullmatch(text)
    if not found or not (found[2] or found[4]) or int(found[1]) > 24 or int(found[2] or 0) > 59:
        return None
    hour, half = int(found[1]), (found[4] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    seconds = hour * 3600 + int(found[2] or 0) * 60 + int(found[3] or 0)
    return Clock(seconds, bool(half or found[5]), f"{found[1]}:{found[2] or 0}")


def read_date(text: str) -> Value | None:
    return Words(text.lower()) if _DATE.fullmatch(text) else None


def read_words(text: str) -> Value | None:
    """Read words: letters of any script, with few numbers; a statement about a number is none."""
    flat = _ARTICLES.sub("", " ".join(re.sub(r"[-\"'.,!?;$()]", " ", text).lower().split()))
    if not flat or re.search(r"[\\^_{}=<>|+*/]", flat) or not re.search(r"[^\W\d]", flat):
        return None
    words = flat.split()
    numbers, says = bool(re.search(r"\d", flat)), bool(_VERBS & set(words))
    if len(words) > 12 or (numbers and (len(words) > 6 or says)) or (says and len(words) > 4):
        return None
    excepted = re.fullmatch(r"all real(?: number)?s except ([\d/]+)", flat)
    if excepted:
        return read_region(rf"\mathbb{{R}}\setminus\{{{excepted[1]}\}}")
    if flat in ("all real numbers", "all reals", "real numbers", "all real values"):
        return everything()
    return Words(flat)


def read_phrase(text: str) -> Value | None:
    """Read several words of letters, of which the first is no function or constant."""
    words = text.split()
    if (
        len(words) > 1
        and all(re.fullmatch(r"[^\W\d_]+", word) for word in words)
        and not {*FUNCTIONS, "pi"} & set(words)
    ):
        return read_words(text) if any(len(word) > 2 for word in words) else None
    return None


def read_word(text: str) -> Value | None:
    """Read letters alone as a word: letters of a word do not commute; names of constants are no words."""
    if re.fullmatch(r"[^\W\d_]{2,}", text) and text.lower() not in ("pi", "infinity", "inf", "oo"):
        return read_words(text)
    return None
