"""Which groups are asked for: of some modes and steps (`7`, `3..9`, `3..`, `..9`), and with measures in some range."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.schema import GROUP_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

LAST = (1 << 62) - 1
"""Stands for the end of a range of steps that has none."""
OPERATORS = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "=": "eq", "==": "eq", "!=": "ne"}
"""Comparison as it is typed -> function of the module operator."""
_RANGE = re.compile(r"(\d*)(\.\.|-|:)?(\d*)")
_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|==|!=|=|>|<)\s*(\S+)\s*")

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    """Some of what was asked for, from the place `offset` on; `total` is how many there are in all."""

    rows: tuple[Row, ...]
    offset: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A measure of a group compared with a number."""

    measure: str
    operator: str
    number: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which groups: of some modes, from a first to a last step, and with all of some conditions, which no unknown meets."""

    modes: tuple[Mode, ...] = ("train",)
    steps: tuple[int, int] | None = None
    conditions: tuple[Condition, ...] = field(default=())

    def tables(self, run: Run) -> Iterator[tuple[FileFacts, pa.Table]]:
        """Yield the rows of the chosen groups of each generation batch, with its facts."""
        import pyarrow.compute as pc

        for mode in self.modes:
            for facts, table in run.store.read(mode=mode, steps=self.steps):
                for c in self.conditions:
                    values = pc.field(f"{GROUP_PREFIX}{c.measure}").cast("float64")
                    table = table.filter(getattr(operator, OPERATORS[c.operator])(values, c.number))
                if len(table):
                    yield facts, table

    def sql(self) -> tuple[str, list[object]]:
        """Return the same as a condition on the table `groups`, with its parameters."""
        parts = [f"mode IN ({', '.join(f'${i + 1}' for i in range(len(self.modes)))})"]
        numbers: list[object] = [*self.modes]
        if self.steps:
            parts.append(f"step BETWEEN ${len(numbers) + 1} AND ${len(numbers) + 2}")
            numbers += self.steps
        for condition in self.conditions:
            numbers.append(condition.number)
            parts.append(f"{condition.measure}::DOUBLE {condition.operator} ${len(numbers)}")
        return " AND ".join(parts), numbers


def read_condition(written: str) -> Condition:
    """Return a condition such as `flips > 0`; raises RunError for what is none, naming the nearest measure."""
    found = _CONDITION.fullmatch(written)
    if not found:
        raise RunError(
            f"--where: found {written!r}, expected a measure, a comparison and a number, such as 'flips > 0'"
        )
    measure, sign, number = found.groups()
    if measure not in GROUP_MEASURES:
        raise RunError(
            f"--where: no measure {measure!r}{did_you_mean(measure, GROUP_MEASURES)}; there are {', '.join(GROUP_MEASURES)}"
        )
    try:
        value = {"true": 1.0, "false": 0.0}.get(number.lower())
        return Condition(measure=measure, operator=sign, number=float(number) if value is None else value)
    except ValueError:
        raise RunError(f"--where: found {number!r} in {written!r}, expected a number") from None


def read_steps(written: str | None) -> tuple[int, int] | None:
    """Return first and last step; None for all. Raises RunError for what is no range.

    >>> read_steps("3..9"), read_steps("7"), read_steps("5..")[0]
    ((3, 9), (7, 7), 5)
    """
    if written is None:
        return None
    found = _RANGE.fullmatch(written.strip())
    if not found or not (found[1] or found[3]):
        raise RunError(f"--steps: found {written!r}, expected a step or a range such as 10..20, 10.. or ..20")
    first = int(found[1] or 0)
    last = first if not found[2] else int(found[3]) if found[3] else LAST
    if last < first:
        raise RunError(f"--steps: found {written!r}, a range that ends before it begins")
    return first, last


def require_recorded(run: Run, steps: tuple[int, int] | None, mode: Mode) -> None:
    """Raise RunError, saying what is recorded, if no group of a mode is, or none of the steps."""
    recorded = run.steps(mode)
    if not recorded:
        raise RunError(f"{run.name}: no {mode} groups are recorded yet")
    if steps and not any(steps[0] <= step <= steps[1] for step in recorded):
        asked = f"{steps[0]} to {steps[1]}" if steps[1] != LAST else f"{steps[0]} and later"
        raise RunError(f"{run.name}: no {mode} groups of steps {asked}, recorded are {recorded[0]} to {recorded[-1]}")


def require_unicode(text: str, where: str) -> None:
    """Raise RunError for a text that no completion can contain: bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RunError(f"{where}: found {text!r}, which is not UTF-8") from None
