"""Right, wrong, or no verdict, as a mark that says it without its colour."""

from __future__ import annotations


def verdict_mark(verdict: bool | None) -> str:
    """Return the mark of a verdict; None where nothing tells right from wrong or what does abstained."""
    kind, symbol, said = _MARKS[verdict]
    return f'<span class="verdict {kind}">{symbol} {said}</span>'


_MARKS = {True: ("right", "✓", "right"), False: ("wrong", "✗", "wrong"), None: ("none", "?", "no verdict")}
