"""Everything that the checks look at, gathered once: the recipe, the machine, the model and the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from dra_toolkit.doctor.estimate import Estimate, estimate
from dra_toolkit.doctor.findings import Finding, broken
from dra_toolkit.doctor.machine import Machine, look_at_machine
from dra_toolkit.doctor.reach import Reached, reach
from dra_toolkit.doctor.torch_probe import TorchProbe
from dra_toolkit.doctor.workload import workload
from dra_toolkit.launch import visible_gpus
from dra_toolkit.recipe import Recipe

Result = TypeVar("Result")


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


def gather(recipe: Recipe | None) -> Facts:
    """Gather the facts: torch is asked in a child process while this one looks at the rest."""
    failed: list[Finding] = []
    with _asking_torch() as probe:
        reached = _guarded("reach", lambda: reach(recipe), failed) if recipe else None
        gpus = visible_gpus()
        machine = look_at_machine(gpus, probe.answer())
    expected = _guarded("estimate", lambda: _estimate(recipe, machine, reached), failed) if recipe and reached else None
    return Facts(machine=machine, recipe=recipe, reached=reached, estimate=expected, broken=tuple(failed))


@contextmanager
def _asking_torch() -> Iterator[TorchProbe]:
    probe = TorchProbe()
    try:
        yield probe
    finally:
        probe.end()


def _guarded(name: str, look: Callable[[], Result], failed: list[Finding]) -> Result | None:
    try:
        return look()
    except Exception as error:  # the other lines are still worth reading
        failed.append(broken(name, error))
        return None


def _estimate(recipe: Recipe, machine: Machine, reached: Reached) -> Estimate | None:
    model = reached.model
    if model is None:
        return None
    work = workload(recipe, stored_bytes=model.stored_bytes, prompt=reached.prompt)
    on_gpu = bool(machine.gpus) and not recipe.launch.use_cpu
    memory = min(gpu.total for gpu in machine.gpus) if on_gpu else None
    device = machine.training_device(recipe.launch.use_cpu)
    return estimate(work, model, device, gpu_memory=memory, tf32=bool(recipe.training.tf32))
