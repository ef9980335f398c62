"""How deep in brackets a text is, and its parts between what stands outside all of them."""

import itertools
import re

_THOUSANDS = re.compile(r"(?<![\d,])[+-]?\$?\d{1,3}(?:,\d{3})+(?![\d,])")
_PIECE = re.compile(r"\\begin(?=\{)|\\end(?=\{)|\\[^{}]|.", re.DOTALL)


def depths(text: str) -> list[int]:
    """Return how many brackets and environments are open after each character of a text."""
    made: list[int] = []
    depth = 0
    for piece in _PIECE.findall(text):
        depth += (piece in "([{" or piece == "\\begin") - (piece in ")]}" or piece == "\\end")
        made += [depth] * len(piece)
    return made


def split(text: str, separator: str, *, bracketed: bool = False) -> list[str]:
    """Return the parts of a text between the separators outside all brackets; a comma between thousands is none.

    bracketed: the text stood in brackets, where `12,102` are two numbers unless commas with spaces separate.

    >>> split("(1,2), 10,000, 5", ",")
    ['(1,2)', ' 10,000', ' 5']
    """
    whole = [] if bracketed and ", " not in text else [m.span() for m in _THOUSANDS.finditer(text)]
    numbers = {at for span in whole for at in range(*span)}
    open_at = depths(text)
    cuts = [i for i, c in enumerate(text) if c == separator and open_at[i] == 0 and i not in numbers]
    return [text[start + 1 : end] for start, end in itertools.pairwise([-1, *cuts, len(text)])]


def outside(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return the parts of a text between the matches of a pattern that stand outside all brackets."""
    open_at = depths(text)
    cuts = [found.span() for found in pattern.finditer(text) if open_at[found.start()] <= 0]
    return [text[start:end] for (_, start), (end, _) in itertools.pairwise([(0, 0), *cuts, (len(text), 0)])]


def enclosed(text: str) -> bool:
    """Return whether the bracket of any kind that begins a text closes at its end."""
    open_at = [0, *depths(text)]
    return next((at for at in range(2, len(open_at)) if not open_at[at] and open_at[at - 1]), 0) == len(text)
