"""How the golds of a data set are read: which could be, which not, and when that is too few to train with."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dra_toolkit.errors import RecipeError
from dra_toolkit.judge.golds import gold_text

SHOWN = 3


@dataclass(frozen=True)
class GoldReport:
    """How the golds of one data set were read."""

    total: int
    missing: int
    unread: tuple[int, ...]
    """Rows, from 1, whose gold is there but cannot be read."""
    first: tuple[tuple[str, str], ...]
    """The first golds that were read, and what each was read as."""

    @property
    def line(self) -> str:
        """What is told of it, in one line."""
        read = self.total - self.missing - len(self.unread)
        rows = ", ".join(map(str, self.unread[:SHOWN])) + (", ..." if len(self.unread) > SHOWN else "")
        parts = [f"{read:,} read"]
        parts += [f"{len(self.unread):,} not (rows {rows})"] if self.unread else []
        parts += [f"{self.missing:,} missing"] if self.missing else []
        shown = "; ".join(f"{short(gold)} is read as {short(read_as)}" for gold, read_as in self.first)
        return f"{self.total:,} golds: {', '.join(parts)}" + (f"; {shown}" if shown else "")


def as_texts(values: Iterable[object], *, name: str, column: str) -> list[str | None]:
    """Return the golds of a column as texts; raises RecipeError, with the row, for one that says too much."""
    made: list[str | None] = []
    for row, value in enumerate(values, start=1):
        try:
            made.append(gold_text(value))
        except ValueError as found:
            inside = [f"{column}.{key}" for key in value] if isinstance(value, dict) else []
            hint = f"; what is in it is named with a dot: {', '.join(inside[:4])}" if inside else ""
            raise RecipeError(
                f"solution_column: {name}, row {row}: {column!r} is {found} ({short(value)}), expected one answer{hint}"
            ) from None
    return made


def report_golds(
    golds: Sequence[str | None], read: Callable[[Sequence[str | None]], Sequence[str | None]], *, name: str, column: str
) -> GoldReport:
    """Return how golds are read; raises RecipeError where all are missing, or most of the others cannot be read.

    read: returns what each of N golds is read as, None where it cannot be: `service.JudgeService.read_golds`
    """
    found = read(golds)
    there = [gold is not None and bool(gold.strip()) for gold in golds]
    missing = len(golds) - sum(there)
    unread = [i for i, one in enumerate(found) if one is None and there[i]]
    pairs = [(str(gold), one) for gold, one in zip(golds, found, strict=True) if one is not None]
    if golds and missing == len(golds):
        raise RecipeError(
            f"solution_column: {name} has nothing in {column!r} in any of its {len(golds):,} rows; name the column that "
            "holds the gold answers"
        )
    if len(unread) > len(golds) / 2:
        raise RecipeError(
            f"solution_column: {len(unread):,} of {len(golds):,} golds in {column!r} of {name} cannot be read (row "
            f"{unread[0] + 1}: {short(golds[unread[0]])}); name the column that holds the answers alone"
        )
    return GoldReport(len(golds), missing, tuple(i + 1 for i in unread), tuple(pairs[:SHOWN]))


def short(value: object) -> str:
    """Return a value quoted in one short line; of a long text its end, where a solution states its answer."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f'"...{text[-36:]}'
