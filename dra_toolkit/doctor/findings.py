"""What a check says: one line on one subject, with what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

FAULT = "this is a fault of dra-toolkit; report the line"
Level = Literal["ok", "warning", "problem", "not checked"]

Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    level: Level
    """`problem`: training would not start or not go on; `warning`: it may, with a loss."""
    subject: str
    found: str
    fix: str = ""
    """What mends it, as a command or a setting; empty where nothing needs mending."""


def ok(subject: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(level="ok", subject=subject, found=found)


def warning(subject: str, found: str, fix: str) -> Finding:
    """Return a finding of something that may cost time or fail later."""
    return Finding(level="warning", subject=subject, found=found, fix=fix)


def problem(subject: str, found: str, fix: str) -> Finding:
    """Return a finding of something that keeps the recipe from running."""
    return Finding(level="problem", subject=subject, found=found, fix=fix)


def not_checked(subject: str, found: str, fix: str = "") -> Finding:
    """Return a finding that something could not be seen."""
    return Finding(level="not checked", subject=subject, found=found, fix=fix)


def run_checks(checks: Iterable[Callable[[Facts], Iterator[Finding]]], facts: Facts) -> Iterator[Finding]:
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
