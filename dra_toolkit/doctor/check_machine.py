"""Checks of the machine alone: Python, the packages of training, torch and its build, GPUs, memory."""

from __future__ import annotations

import platform
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dra_toolkit.doctor.facts import Facts
from dra_toolkit.doctor.findings import Finding, not_checked, ok, problem, warning
from dra_toolkit.doctor.machine import GpuFacts
from dra_toolkit.doctor.versions import bound_of, installed, packages_of, python_bound
from dra_toolkit.embedding import EMBEDDERS
from dra_toolkit.launch import visible_gpus

GIB = 1 << 30
BUSY = 0.10
"""Share of a GPU's memory in use from which somebody else must be on it."""
OPTIONAL = {
    "vllm": ("vllm", "recipes with use_vllm or vllm_gpus"),
    "deepspeed": ("deepspeed", "accelerate_config zero2, zero3 and two_nodes"),
    "sentence-transformers": (
        "embed",
        f"the embedders {', '.join(name for name, known in EMBEDDERS.items() if known.packages)}",
    ),
}
"""Packages that only some recipes need: the extra that brings each, and those recipes."""


def check_python(_: Facts) -> Iterator[Finding]:
    """Say which Python runs, and whether it is one of those tried."""
    found, bound = platform.python_version(), python_bound()
    if bound.allows(found):
        yield ok("Python", found)
    else:
        yield problem(
            "Python", f"{found}, known to work {bound.specifier}", "make an environment with Python 3.11 or 3.12"
        )


def check_torch(facts: Facts) -> Iterator[Finding]:
    """Say which torch is here, what it is built for, and whether that fits the machine."""
    torch = facts.machine.torch
    if installed("torch") is None:
        yield problem("torch", "not installed", 'pip install "dra-toolkit[train]"')
        return
    if torch.problem:
        yield problem("torch", torch.problem, 'pip install --force-reinstall "dra-toolkit[train]"')
        return
    found = f"{torch.version}, built for {torch.build}"
    bound = bound_of("torch", "train")
    if bound and not bound.allows(torch.version):
        yield problem("torch", f"{found}; known to work {bound.specifier}", f'pip install "torch{bound.specifier}"')
    elif torch.build == "CPU" and visible_gpus():
        yield problem(
            "torch",
            f"{found}, but this machine has GPUs",
            "install the build for your CUDA: https://pytorch.org/get-started/locally",
        )
    elif torch.device_problem and visible_gpus():
        yield problem(
            "torch", f"{found}, but it cannot use the GPUs: {torch.device_problem}", "update the NVIDIA driver"
        )
    else:
        yield ok("torch", found)


def check_packages(facts: Facts) -> Iterator[Finding]:
    """Say which other packages of training are here, against the bounds that the package declares."""
    for name in packages_of("train"):
        if name != "torch":
            yield check_package(name, "train")


def check_optional_packages(facts: Facts) -> Iterator[Finding]:
    """Say which packages are here that only some recipes need; with a recipe, its own checks do."""
    if facts.recipe is not None:
        return
    for name, (extra, recipes) in OPTIONAL.items():
        yield check_package(name, extra) if installed(name) else ok(name, f"not installed; only {recipes} need it")
    has = find_spec("flash_attn") is not None
    yield ok(
        "flash-attn", "installed" if has else "not installed; only attn_implementation: flash_attention_2 needs it"
    )


def check_package(name: str, extra: str) -> Finding:
    """Return the finding on one package, which an extra of ours brings."""
    found, bound = installed(name), bound_of(name, extra)
    if found is None:
        return problem(name, "not installed", f'pip install "dra-toolkit[{extra}]"')
    distribution, version = found
    shown = version if distribution == name else f"{version} ({distribution})"
    if bound is None:
        return not_checked(name, f"{shown}; this installation declares no bound", "install dra-toolkit again")
    if not bound.allows(version):
        return problem(name, f"{shown}; known to work {bound.specifier}", f'pip install "{name}{bound.specifier}"')
    return ok(name, shown)


def check_processor(facts: Facts) -> Iterator[Finding]:
    """Say how many cores and how much memory there are."""
    machine = facts.machine
    memory = f"{machine.memory / GIB:.0f} GiB memory, {machine.memory_free / GIB:.0f} free" if machine.memory else ""
    yield ok("processor", ", ".join(filter(None, (f"{machine.cores} cores", memory))))


def check_gpus(facts: Facts) -> Iterator[Finding]:
    """Say which GPUs there are, and which of them others use."""
    gpus = facts.machine.gpus
    if not gpus:
        yield ok("GPUs", "none; training runs on the CPU")
        return
    yield ok("GPUs", ", ".join(f"{count} x {shown}" for shown, count in Counter(map(_shown, gpus)).items()))
    for index, gpu in enumerate(gpus):
        if gpu.free is not None and gpu.free < (1 - BUSY) * gpu.total:
            used = (gpu.total - gpu.free) / GIB
            yield warning(
                "GPUs",
                f"GPU {index}: {used:.1f} GiB are in use already",
                "see who with nvidia-smi; leave it out with CUDA_VISIBLE_DEVICES",
            )


def check_login(facts: Facts) -> Iterator[Finding]:
    """Say whether somebody is logged in to the Hub; with a recipe, its own check asks for what it needs."""
    if facts.recipe is not None:
        return
    if find_spec("huggingface_hub") is None:
        yield not_checked("Hub login", "huggingface_hub is not installed", 'pip install "dra-toolkit[train]"')
        return
    from huggingface_hub import get_token

    there_is = "there is a token" if get_token() else "none; only gated models and push_to_hub need `hf auth login`"
    yield ok("Hub login", there_is)


def check_free_disk(facts: Facts) -> Iterator[Finding]:
    """Say how much disk is free here; with a recipe, its own check looks at output_dir."""
    if facts.recipe is None:
        yield ok("disk", f"{shutil.disk_usage(Path.cwd()).free / GIB:.0f} GiB free in {Path.cwd()}")


def _shown(gpu: GpuFacts) -> str:
    return f"{gpu.name}, {gpu.total / GIB:.0f} GiB"


MACHINE_CHECKS = (
    check_python,
    check_torch,
    check_packages,
    check_optional_packages,
    check_processor,
    check_gpus,
    check_free_disk,
    check_login,
)
"""What is checked with or without a recipe, in the order of the report."""
