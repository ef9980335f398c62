"""All checks of a machine, or of a machine for a recipe, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dra_toolkit.doctor.check_fit import (
    check_devices,
    check_disk,
    check_layout,
    check_memory,
    check_server,
    check_time,
)
from dra_toolkit.doctor.check_machine import MACHINE_CHECKS
from dra_toolkit.doctor.check_packages import (
    check_deepspeed,
    check_embedder_packages,
    check_flash_attention,
    check_logins,
    check_peft,
    check_users_code,
    check_vllm,
)
from dra_toolkit.doctor.estimate import Estimate
from dra_toolkit.doctor.facts import gather
from dra_toolkit.doctor.findings import FAULT, Finding, Level, problem, run_checks
from dra_toolkit.recipe import Recipe

PACKAGE_CHECKS = (check_vllm, check_deepspeed, check_flash_attention, check_peft, check_embedder_packages)
FIT_CHECKS = (check_layout, check_devices, check_server, check_memory, check_time, check_disk, check_logins)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the checks found."""

    findings: tuple[Finding, ...]
    estimate: Estimate | None = None

    def count(self, level: Level) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "estimate": self.estimate.plain() if self.estimate else None,
        }


def examine(recipe: Recipe | None = None, problems: Sequence[str] = ()) -> Report:
    """Check this machine, and what a recipe needs of it; takes seconds, changes nothing.

    problems: those of the recipe itself; what cannot be checked because of them is a line, and the rest follows
    """
    facts = gather(recipe)
    findings = list(run_checks(MACHINE_CHECKS, facts))
    if recipe is not None:
        findings += _of_recipe(problems)
        findings += run_checks(PACKAGE_CHECKS, facts)
        findings += facts.reached.findings if facts.reached else ()
        findings += run_checks((check_users_code, *FIT_CHECKS), facts)
    findings += facts.broken
    if problems:
        mend = "mend the recipe's problems first"
        findings = [replace(each, fix=mend) if each.fix == FAULT else each for each in findings]
    return Report(findings=tuple(findings), estimate=facts.estimate)


def _of_recipe(problems: Sequence[str]) -> Iterator[Finding]:
    for line in problems:
        yield problem("recipe", line, "correct it there; dra recipes keys WORD explains a key")
