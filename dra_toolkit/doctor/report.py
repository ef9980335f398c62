"""All checks of a machine, or of a machine for a recipe, and what they come to."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from dra_toolkit.doctor.check_fit import FIT_CHECKS
from dra_toolkit.doctor.check_packages import MACHINE_CHECKS, PACKAGE_CHECKS
from dra_toolkit.doctor.estimate import Estimate, estimate
from dra_toolkit.doctor.findings import FAULT, USERS, Facts, Finding, Level, broken, not_checked, problem, run_checks
from dra_toolkit.doctor.machine import Machine, ask_torch, look_at_machine
from dra_toolkit.doctor.memory import workload
from dra_toolkit.doctor.reach import Reached, reach
from dra_toolkit.launch import visible_gpus
from dra_toolkit.recipe import Recipe

Result = TypeVar("Result")


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
        estimated = self.estimate.plain() if self.estimate else None
        return {"findings": [asdict(finding) for finding in self.findings], "estimate": estimated}


def examine(recipe: Recipe | None = None, problems: Sequence[str] = ()) -> Report:
    """Check this machine, and what a recipe needs of it; takes seconds, changes nothing.

    problems: those of the recipe itself, which may be none at all; what cannot be checked because of them is a line, and
        the rest follows
    """
    facts = _gather(recipe)
    correct = "correct it there; dra recipes keys WORD explains a key" if recipe else "mend the file, or name another"
    findings = [*run_checks(MACHINE_CHECKS, facts), *(problem("recipe", line, correct) for line in problems)]
    if recipe is not None:
        findings += run_checks(PACKAGE_CHECKS, facts)
        findings += facts.reached.findings if facts.reached else ()
        findings += run_checks(FIT_CHECKS, facts)
    findings += facts.broken
    if problems:
        mend = "mend the recipe's problems first"
        if recipe is None:
            findings.append(not_checked("model, data, memory, time, disk", "no recipe could be read", mend))
        findings = [replace(each, fix=mend) if each.fix == FAULT else each for each in findings]
        findings = [each for each in findings if each.subject != USERS or not any(each.found in x for x in problems)]
    return Report(findings=tuple(findings), estimate=facts.estimate)


def _gather(recipe: Recipe | None) -> Facts:
    """Gather the facts: torch is asked in a child process while this one looks at the rest."""
    failed: list[Finding] = []
    with ThreadPoolExecutor(1) as beside:
        torch = beside.submit(ask_torch)
        reached = _guarded("reach", lambda: reach(recipe), failed) if recipe else None
        machine = look_at_machine(visible_gpus(), torch.result())
    expected = _guarded("estimate", lambda: _estimate(recipe, machine, reached), failed) if recipe and reached else None
    return Facts(machine=machine, recipe=recipe, reached=reached, estimate=expected, broken=tuple(failed))


def _guarded(name: str, look: Callable[[], Result], failed: list[Finding]) -> Result | None:
    try:
        return look()
    except Exception as error:  # the other lines are still worth reading
        failed.append(broken(name, error))
        return None


def _estimate(recipe: Recipe, machine: Machine, reached: Reached) -> Estimate | None:
    model, use_cpu = reached.model, recipe.launch.use_cpu
    if model is None:
        return None
    work = workload(recipe, stored_bytes=model.stored_bytes, prompt=reached.prompt)
    memory = min(gpu.total for gpu in machine.gpus) if machine.gpus and not use_cpu else None
    return estimate(work, model, machine.training_device(use_cpu), gpu_memory=memory)
