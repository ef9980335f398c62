"""One notation for answers: Unicode maths, spacing, fonts and brackets of all sizes become plain LaTeX and plain words."""

import re
import tomllib
import unicodedata
from importlib import resources

from dra_toolkit.judge.brackets import enclosed

KNOWN = tomllib.loads(resources.files("dra_toolkit.judge").joinpath("known.toml").read_text(encoding="utf-8"))


def known_pattern(name: str, flags: int = 0) -> re.Pattern[str]:
    """Return one of the patterns in known.toml."""
    return re.compile("".join(KNOWN["patterns"][name]), flags)


GREEK = KNOWN["greek"]["names"].split()
_CHARACTERS = str.maketrans(
    KNOWN["symbols"] | {letter: f"\\{name} " for letter, name in zip(KNOWN["greek"]["letters"], GREEK, strict=True)}
)
_RULES = [(re.compile(pattern), replacement) for pattern, replacement in KNOWN["notation"]["rules"]]
_RAISED, _LOWERED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+"), re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_ROOT = re.compile(r"([√∛])\s*(\d[\d.]*|[A-Za-z])")
_FONT = known_pattern("font")
_NAMED = "|".join(KNOWN["bases"])
_BASE = re.compile(rf"(?<=[0-9A-F])\s*(?:_\s*\{{?\s*({_NAMED})\b\s*\}}?|\(?(?:in )?base[\s-]+({_NAMED}|\d+)\b\)?)")
_AROUND = [(mark, mark) for mark in ("**", "$$", '"', "`", "$")] + [("\\(", "\\)"), ("\\[", "\\]")]


def plain(text: str) -> str:
    r"""Return an answer in one notation.

    >>> plain("１½ × √２"), plain(r"\left( 3,\,\dfrac{1}{2} \right)"), plain(r"\text{Answer} {:} 10{,}000")
    ('1\\frac{1}{2} \\times \\sqrt 2', '( 3, \\frac{1}{2} )', 'Answer : 10000')
    """
    text = _ascii(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    before = None
    while before != text:  # fonts may stand in each other
        before, text = text, _FONT.sub(r" \1 ", text)
    text = _BASE.sub(lambda found: f"_{{{KNOWN['bases'].get(found[1] or found[2], found[2])}}}", text)
    return unwrapped(" ".join(text.split()))


def unwrapped(text: str) -> str:
    """Return a text without delimiters of formulas, emphasis, a leading `=` and final punctuation around it."""
    for _ in range(12):
        before = text
        text = text.strip().rstrip(";,").strip()
        if text.endswith(".") and not text.endswith((" a.m.", " p.m.", "..")):
            text = text[:-1].strip()
        if text.startswith(("=", ":")):
            text = text[1:].strip()
        for opening, closing in _AROUND:
            inner = text[len(opening) : -len(closing)]
            if inner and text.startswith(opening) and text.endswith(closing) and opening not in inner:
                text = inner
        if text.startswith("{") and enclosed(text) and "," not in text:
            text = text[1:-1]
        if before == text:
            break
    return text


def squeezed(text: str) -> str:
    """Return a text in plain notation without the spaces that mean nothing: those between words and digits do."""
    return re.sub(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])", "", text)


def _ascii(text: str) -> str:
    for mark, run in (("^", _RAISED), ("_", _LOWERED)):
        text = run.sub(lambda digits, mark=mark: f"{mark}{{{_compatible(digits[0])}}}", text)  # type: ignore[misc]
    text = _ROOT.sub(lambda root: f"\\sqrt{'[3]' if root[1] == '∛' else ''}{{{root[2]}}}", text)
    text = text.translate(_CHARACTERS)
    return text if text.isascii() else "".join(map(_compatible, text))


def _compatible(text: str) -> str:
    if len(text) == 1 and unicodedata.category(text) == "Cf":
        return ""
    numerator, slash, denominator = unicodedata.normalize("NFKC", text).partition("⁄")
    return f"\\frac{{{numerator}}}{{{denominator}}}" if slash else numerator
