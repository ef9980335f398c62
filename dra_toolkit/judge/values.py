"""What an answer can be read as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dra_toolkit.judge.expressions import Node
from dra_toolkit.judge.units import Unit

Value = Any
"""One of the classes below."""


@dataclass(frozen=True)
class Quantity:
    """An expression, with a unit or without; `compound` where the number means nothing without it (3 h 20 min)."""

    node: Node
    unit: Unit | None = None
    compound: bool = False

    @property
    def size(self) -> Node:
        """The amount in the basic units of its dimension."""
        return ("mul", self.node, self.unit.factor) if self.unit else self.node


@dataclass(frozen=True)
class Words:
    """Words, in small letters, without articles."""

    text: str


@dataclass(frozen=True)
class Choice:
    """A letter out of several choices, with what it stands for where that is written beside it."""

    letter: str
    content: Value | None = None


@dataclass(frozen=True)
class Clock:
    """A time of day in seconds; `half`: whether a.m. or p.m. was written."""

    seconds: int
    half: bool = field(compare=False)
    written: str = field(compare=False)


@dataclass(frozen=True)
class Ratio:
    """a : b : ..."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Collection:
    """Several values. kind: `set`, `list` (no brackets: any order), `tuple` (in this order, with these brackets)."""

    kind: str
    items: tuple[Value, ...]
    brackets: str = "()"


@dataclass(frozen=True)
class Piece:
    """An interval of real numbers."""

    low: Any
    high: Any
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True)
class Region:
    """A union of intervals, sorted and joined."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Named:
    """A value with a name before it: `x = 5`, `f(x) = 2x`, `n \\in {1, 2}`."""

    name: str
    value: Value
    equation: Relation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Relation:
    r"""left sign right, where the sign is one of `=`, `<`, `\le`, `\ne`."""

    left: Node
    sign: str
    right: Node


@dataclass(frozen=True)
class Matrix:
    """Rows of expressions; a determinant is no matrix."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Cases:
    """Pieces of a function with their conditions."""

    branches: tuple[tuple[Value, Value], ...]
