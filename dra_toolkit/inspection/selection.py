"""Which groups are asked for: of some modes and steps, and with measures in some range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.schema import GROUP_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

OPERATORS = {
    ">": "greater",
    ">=": "greater_equal",
    "<": "less",
    "<=": "less_equal",
    "=": "equal",
    "==": "equal",
    "!=": "not_equal",
}
"""Comparison as it is typed -> function of pyarrow.compute."""
_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|==|!=|=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A measure of a group compared with a number."""

    measure: str
    operator: str
    number: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which groups."""

    modes: tuple[Mode, ...] = ("train",)
    steps: tuple[int, int] | None = None
    """First and last."""
    conditions: tuple[Condition, ...] = field(default=())
    """All must hold; a measure that is not known holds for none."""

    def tables(self, run: Run) -> Iterator[tuple[FileFacts, pa.Table]]:
        """Yield the rows of the chosen groups of each generation batch, with its facts."""
        for mode in self.modes:
            for facts, table in run.store.read(mode=mode, steps=self.steps):
                chosen = self._only(table)
                if len(chosen):
                    yield facts, chosen

    def _only(self, table: pa.Table) -> pa.Table:
        import pyarrow.compute as pc

        for condition in self.conditions:
            values = table[f"{GROUP_PREFIX}{condition.measure}"].cast("float64")
            kept = getattr(pc, OPERATORS[condition.operator])(values, condition.number)
            table = table.filter(pc.fill_null(kept, False))
        return table

    def sql(self) -> tuple[str, list[object]]:
        """Return the same as a condition on the table `groups`, with its parameters."""
        parts, parameters = [f"mode IN ({', '.join(f'${i + 1}' for i in range(len(self.modes)))})"], list(self.modes)
        numbers: list[object] = [*parameters]
        if self.steps:
            parts.append(f"step BETWEEN ${len(numbers) + 1} AND ${len(numbers) + 2}")
            numbers += self.steps
        for condition in self.conditions:
            numbers.append(condition.number)
            operator = "=" if condition.operator == "==" else condition.operator
            parts.append(f"{condition.measure}::DOUBLE {operator} ${len(numbers)}")
        return " AND ".join(parts), numbers


def read_condition(written: str) -> Condition:
    """Return a condition such as `flips > 0`; raises RunError for what is none, naming the nearest measure."""
    found = _CONDITION.fullmatch(written)
    if not found:
        raise RunError(
            f"--where: found {written!r}, expected a measure, a comparison and a number, such as 'flips > 0'"
        )
    measure, operator, number = found.groups()
    if measure not in GROUP_MEASURES:
        raise RunError(
            f"--where: no measure {measure!r}{did_you_mean(measure, GROUP_MEASURES)}; there are {', '.join(GROUP_MEASURES)}"
        )
    try:
        value = {"true": 1.0, "false": 0.0}.get(number.lower())
        return Condition(measure=measure, operator=operator, number=float(number) if value is None else value)
    except ValueError:
        raise RunError(f"--where: found {number!r} in {written!r}, expected a number") from None
