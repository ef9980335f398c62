"""Pairs of gold and final answer whose verdict is known, kept as a table: kind, gold, answer, verdict."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("pairs.tsv")


class Pair(NamedTuple):
    """One line of the table."""

    kind: str
    gold: str
    answer: str
    verdict: str


def pairs() -> list[Pair]:
    """Return the pairs of the table; `\\n` before an upper-case letter or a mark stands for a line break."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").split("\n") if line and not line.startswith("# ")]
    return [
        Pair(
            *(field.replace("\\nT", "\nT").replace("\\nS", "\nS").replace("\\n#", "\n#") for field in line.split("\t"))
        )
        for line in lines
    ]
