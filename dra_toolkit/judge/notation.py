r"""One notation for answers: Unicode maths, spacing, fonts and brackets of all sizes become plain LaTeX and plain words."""

from __future__ import annotations

import re
import unicodedata

_SYMBOLS = {
    "−": "-", "–": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∗": "*",
    "∞": r"\infty ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ", "≤": r"\le ",
    "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "°": r"^\circ ", "º": r"^\circ ", "∈": r"\in ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℂ": r"\mathbb{C}", "√": r"\sqrt ", "∛": r"\sqrt[3] ",
    "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "″": '"', "⟨": r"\langle ", "⟩": r"\rangle ", "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "∠": r"\angle ",
    "∖": r"\setminus ", "→": r"\to ", "，": ",", "、": ",",
    "。": ".", "；": ";", "：": ":", "∑": r"\sum ", "∫": r"\int ", "\u2009": r"\,", "\u202f": r"\,", "\u00a0": " ",
    "\u3000": " ", "\u2061": "", "\u2062": "", "\u2063": "",
}  # fmt: skip
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_GREEK = {
    letter: f"\\{name} "
    for letter, name in zip(
        "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ",
        _GREEK_NAMES.split(),
        strict=True,
    )
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RUN = {
    "^": re.compile("[" + "".join(_RAISED) + "]+"),
    "_": re.compile("[" + "".join(_LOWERED) + "]+"),
}
_ROOT = re.compile(r"([√∛])\s*(\d[\d.]*|[A-Za-z])")
_FONT = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt|normal|up)?|math(?:rm|bf|it|sf|tt|up)|mbox|hbox|operatorname\*?|underline|bm|boldsymbol"
    r"|boxed|fbox|phantom)\s*\{([^{}]*)\}"
)
_RULES = [
    (re.compile(r"\\(?:text)?color\s*\{\w+\}|\\phantom\s*\{[^{}]*\}|\\(?:therefore|implies|Rightarrow)(?![a-zA-Z])"), ""),
    (re.compile(r"\{([^{}]+)\\over(?![a-zA-Z])([^{}]+)\}"), r"\\frac{\1}{\2}"),
    (re.compile(r"\{([^{}]+)\\choose(?![a-zA-Z])([^{}]+)\}"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)"), r"\\times "),
    (re.compile(r"(?<=[.\d])\\dot\s*\{?(\d)\}?(?!\d*\\dot)"), r"\\overline{\1}"),
    (re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)\s*(?![a-zA-Z])"), ""),
    (re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?=\\)"), ""),
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![a-zA-Z])"), r"\\binom"),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,!:;]\s*)+(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=\d),\\!\s*(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<![a-zA-Z])\{([,:.])\}"), r"\1"),
    (re.compile(r"(?<!\\)\\(?:[,;:!> ]|(?:q?quad|displaystyle|rm|bf|it|limits)(?![a-zA-Z]))|~"), " "),
    (re.compile(r"\\(?:leqslant|leq)(?![a-zA-Z])"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geq)(?![a-zA-Z])"), r"\\ge "),
    (re.compile(r"\\neq(?![a-zA-Z])|\\not\s*="), r"\\ne "),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"<=|=<"), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"!=(?!=)"), r"\\ne "),
    (re.compile(r"\+/-"), r"\\pm "),
    (re.compile(r"\*\*(?=[\d({a-z-])(?<=[\w)}]..)"), "^"),
    (re.compile(r"\\(?:varnothing|O(?![a-zA-Z])|empty(?![a-zA-Z]))"), r"\\emptyset "),
    (re.compile(r"\\(?:Bbb|mathbf|bf)\s*\{?R\}?(?![a-zA-Z])|\\mathbb\s+R|\\R(?:eals)?(?![a-zA-Z])"), r"\\mathbb{R}"),
    (re.compile(r"\^\s*\{\s*\\circ\s*\}|\\degree(?![a-zA-Z])|\^\s*\\circ"), r"^\\circ "),
    (re.compile(r"\^\s*\{?\s*\\prime\s*\}?"), "'"),
    (re.compile(r"\\(?:vert|mid|lvert|rvert)(?![a-zA-Z])"), "|"),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\lbrack(?![a-zA-Z])"), "["),
    (re.compile(r"\\rbrack(?![a-zA-Z])"), "]"),
    (re.compile(r"\\(?:backslash|smallsetminus)(?![a-zA-Z])"), r"\\setminus "),
    (re.compile(r"\(\s*([0-9A-Za-z]+)\s*\)\s*(?=_)"), r"\1"),
    (re.compile(r"\\([$%#_])"), r"\1"),
    (re.compile(r"\\(?:var)?epsilon(?![a-zA-Z])"), r"\\epsilon "),
    (re.compile(r"\\(?:dots|ldots|cdots)(?![a-zA-Z])"), "..."),
]  # fmt: skip


def plain(text: str) -> str:
    r"""Return an answer in one notation.

    >>> plain("１½ × √２"), plain(r"\left( 3,\,\dfrac{1}{2} \right)"), plain(r"\text{Answer} {:} 10{,}000")
    ('1\\frac{1}{2} \\times \\sqrt 2', '( 3, \\frac{1}{2} )', 'Answer : 10000')
    """
    text = _ascii(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    before = None
    while (
        before != text
    ):  # fonts may stand in each other; what they hold is free of braces once the inner ones are gone
        before, text = text, _FONT.sub(r" \1 ", text)
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
        for opening, closing in (
            ("**", "**"),
            ("$$", "$$"),
            ("\\(", "\\)"),
            ("\\[", "\\]"),
            ('"', '"'),
            ("`", "`"),
            ("$", "$"),
        ):
            whole = len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing)
            if whole and opening not in text[len(opening) : -len(closing)]:
                text = text[len(opening) : -len(closing)]
        if text.startswith("{") and closing_brace(text, 0) == len(text) - 1 and "," not in text:
            text = text[1:-1]
        if before == text:
            break
    return text


def squeezed(text: str) -> str:
    """Return a text in plain notation without the spaces that mean nothing: those between words and digits do."""
    return re.sub(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])", "", text)


def closing_brace(text: str, start: int) -> int:
    """Return where the bracket at `start` closes, of any kind; -1 if it does not."""
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] not in ("{", "}"):
            at += 2
            continue
        change = (text[at] in "([{") - (text[at] in ")]}")
        depth += change
        if depth == 0 and change:
            return at
        at += 1
    return -1


def _ascii(text: str) -> str:
    for mark, pattern in _RUN.items():
        kind = _RAISED if mark == "^" else _LOWERED
        text = pattern.sub(lambda run, mark=mark, kind=kind: f"{mark}{{{''.join(kind[c] for c in run[0])}}}", text)  # type: ignore[misc]
    text = _ROOT.sub(lambda root: f"\\sqrt{'[3]' if root[1] == '∛' else ''}{{{root[2]}}}", text)
    made = []
    for character in text:
        if character < "\x80":
            made.append(character)
        elif character in _SYMBOLS:
            made.append(_SYMBOLS[character])
        elif character in _GREEK:
            made.append(_GREEK[character])
        elif unicodedata.category(character) == "Cf":
            continue
        else:
            made.append(_compatible(character))
    return "".join(made)


def _compatible(character: str) -> str:
    numerator, slash, denominator = unicodedata.normalize("NFKC", character).partition("⁄")
    return f"\\frac{{{numerator}}}{{{denominator}}}" if slash else numerator
