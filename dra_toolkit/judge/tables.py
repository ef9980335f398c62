r"""Matrices and functions given in pieces: what stands in `\begin{...}`."""

from __future__ import annotations

import re
from typing import Any

from dra_toolkit.judge.equality import real
from dra_toolkit.judge.expressions import Node, UnreadableError, read_expression
from dra_toolkit.judge.values import Cases, Matrix

_MATRIX = re.compile(
    r"(.*?)[(\[]?\s*\\begin\{([pbv]?|small|B|V)(matrix|array)\}(?:\{[clr|\s]*\})?(.*)\\end\{\2\3\}\s*[)\]]?", re.DOTALL
)
_CASES = re.compile(
    r"(?:[A-Za-z](?:\([a-z]\))?\s*=\s*)?\\?\{?\s*\\begin\{(cases|array)\}(?:\{[clr|\s]*\})?(.*)\\end\{\1\}\.?",
    re.DOTALL,
)
_IF = re.compile(r"^(?:,|if\b|for\b|when\b|where\b|\s)+")


def read_matrix(text: str) -> Matrix | None:
    """Read a matrix with any brackets but the bars of a determinant, and a factor before it."""
    found = _MATRIX.fullmatch(text)
    if not found or found[2] in ("v", "V") or "\\begin" in found[4]:
        return None
    rows = [
        row.split("&") for row in re.split(r"\\\\(?:\[[^\]]*\])?", found[4]) if row.strip() and row.strip() != "\\hline"
    ]
    if not rows or len({len(row) for row in rows}) > 1:
        raise UnreadableError(text)
    factor = found[1].strip().removesuffix("\\cdot").removesuffix("\\times").strip()
    by: Node | None = ("neg", ("num", 1)) if factor == "-" else read_expression(factor) if factor else None
    if by is not None and real(by) is None:
        raise UnreadableError(text)
    entries = [[read_expression(entry) for entry in row] for row in rows]
    return Matrix(tuple(tuple(("mul", by, e) if by else e for e in row) for row in entries))


def read_cases(text: str) -> Cases | None:
    """Read the pieces of a function: value & condition."""
    from dra_toolkit.judge.reading import read_part

    found = _CASES.fullmatch(text)
    if not found:
        return None
    branches: list[tuple[Any, Any]] = []
    for row in re.split(r"\\\\(?:\[[^\]]*\])?", found[2]):
        if not row.strip():
            continue
        value, _, condition = row.partition("&")
        pair = (
            read_part(value.strip().rstrip(",").strip()),
            read_part(_IF.sub("", condition.strip()).rstrip(".,").strip()),
        )
        if pair[0] is None or pair[1] is None:
            raise UnreadableError(text)
        branches.append(pair)
    return Cases(tuple(branches)) if branches else None
