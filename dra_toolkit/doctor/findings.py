"""What a check says, one line on one subject with what mends it, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dra_toolkit.doctor.estimate import Estimate
    from dra_toolkit.doctor.machine import Machine
    from dra_toolkit.doctor.reach import Reached
    from dra_toolkit.recipe import Recipe

FAULT = "this is a fault of dra-toolkit; report the line"
USERS = "your code"
Level = Literal["ok", "warning", "problem", "not checked"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    """`problem`: training would not start or not go on; `warning`: it may, with a loss."""
    subject: str
    found: str
    fix: str = ""
    """What mends it, as a command or a setting; empty where nothing needs mending."""


ok, warning, problem = partial(Finding, "ok"), partial(Finding, "warning"), partial(Finding, "problem")
not_checked = partial(Finding, "not checked")


def problems(subject: str, lines: Iterable[str]) -> Iterator[Finding]:
    """Yield a problem for each line that says, after `; `, what mends it."""
    for found, _, fix in (line.partition("; ") for line in lines):
        yield problem(subject, found, fix)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the checks look at."""

    machine: Machine
    recipe: Recipe | None = None
    reached: Reached | None = None
    estimate: Estimate | None = None
    broken: tuple[Finding, ...] = ()
    """What could not be gathered because a check itself failed."""

    @property
    def the_recipe(self) -> Recipe:
        """Return the recipe; only for checks that run with one."""
        assert self.recipe is not None
        return self.recipe


Check = Callable[[Facts], Iterator[Finding]]


def run_checks(checks: Iterable[Check], facts: Facts) -> Iterator[Finding]:
    """Yield the findings of all checks; one that breaks is reported and hides none of the others."""
    for check in checks:
        try:
            yield from check(facts)
        except Exception as error:  # whatever it is: the other lines are still worth reading
            yield broken(check.__name__, error)


def broken(name: str, error: BaseException) -> Finding:
    """Return the finding that a check itself failed."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    subject = name.removeprefix("check_").replace("_", " ")
    return not_checked(subject, f"the check itself failed ({reason})", FAULT)


def shown_size(size: float) -> str:
    """Return bytes in the unit that suits them."""
    unit, factor = ("GiB", 1 << 30) if size >= 0.1 * (1 << 30) else ("MiB", 1 << 20)
    return f"{size / factor:.1f} {unit}" if size >= 0.1 * factor else f"{size / 1024:.1f} KiB"
