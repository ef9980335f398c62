"""Checks of whether a recipe fits: processes and GPUs, batch and groups, memory, time, disk, its user's code and logins."""

import math
import shutil
from collections.abc import Iterator

from dra_toolkit.doctor.estimate import FACTOR
from dra_toolkit.doctor.findings import USERS, Facts, Finding, not_checked, ok, problem, problems, shown_size, warning
from dra_toolkit.doctor.memory import Memory
from dra_toolkit.launch.vllm_server import answers, check_ports
from dra_toolkit.logins import chosen_trackers, hub_keys, login_problems
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.check_users import import_problems
from dra_toolkit.recipe.inferred import gpus_wanted, steps_per_generation, vllm_memory

TIGHT, TOO_MUCH = 0.85, 1.3
"""Shares of a GPU's memory: from the first the estimate is too close to call, from the second it is not."""
SMALL_ENOUGH = 50e6
"""Parameters of a model up to which a CPU will do."""
LONG = 24.0
"""Hours per 100 steps from which something is probably not as it was meant."""
LEVERS = {
    "activations": "lower per_device_train_batch_size (completions_per_step keeps the batch)",
    "logits": "lower per_device_train_batch_size (completions_per_step keeps the batch)",
    "KV cache": "sample with vLLM (vllm_gpus=1), or lower max_completion_length",
    "optimizer": "accelerate_config=zero2 over more processes, or use_peft=true",
    "gradients": "accelerate_config=zero2 over more processes, or use_peft=true",
    "weights": "dtype=bfloat16, accelerate_config=zero3, or a smaller model",
    "reference model": "beta=0.0 does without a reference model",
    "communication": "accelerate_config=zero2 over more processes",
    "vLLM's share": "lower vllm_gpu_memory_utilization, or give vLLM its own GPU with vllm_gpus=1",
}
"""What mends the largest part of a training process's memory."""


def check_layout(facts: Facts) -> Iterator[Finding]:
    """Say in one line how batch, groups and processes fit together; that they do, the recipe's own checks have seen."""
    recipe = facts.the_recipe
    group, processes = recipe.objective.num_generations, recipe.launch.num_processes
    batch = recipe.training.per_device_train_batch_size
    accumulation, micro_steps = recipe.training.gradient_accumulation_steps, steps_per_generation(recipe)
    step, generated = batch * processes * accumulation, batch * processes * micro_steps
    shape = f"{processes} process{'es' if processes > 1 else ''} x {batch} x {accumulation} accumulation"
    line = f"{step} completions per step = {step / group:.3g} prompts x {group}; {shape}"
    if generated != step or recipe.objective.num_iterations > 1:
        line += f"; {generated} sampled at once, each trained on {recipe.objective.num_iterations} x"
    yield ok("batch", line)


def check_devices(facts: Facts) -> Iterator[Finding]:
    """Say what the GPUs are for, and whether the precision is one that they have; that there are enough, others say."""
    recipe, gpus = facts.the_recipe, facts.machine.gpus
    training, serving = gpus_wanted(recipe)
    wanted = f"{training} to train on" + (f" and {serving} for vLLM" if serving else "")
    model = facts.reached.model if facts.reached else None
    if recipe.launch.use_cpu:
        yield ok("GPUs for it", "the CPU, as use_cpu says")
    elif gpus:
        yield ok("GPUs for it", f"{wanted}, of {len(gpus)}")
    elif model and 0 < model.parameters < SMALL_ENOUGH:
        yield ok("GPUs for it", "none, and a model of this size needs none")
    else:
        found = f"it means {wanted}, and there is none: all would run on the CPU"
        yield warning("GPUs for it", found, "use a machine with GPUs")
    if recipe.training.bf16 is not False and not recipe.training.fp16 and any(gpu.bf16 is False for gpu in gpus):
        yield problem("bfloat16", "these GPUs do not compute in it", "bf16=false fp16=true")


def check_server(facts: Facts) -> Iterator[Finding]:
    """Say whether a vLLM server of one's own answers, or the ports are free for the one that the run starts."""
    recipe = facts.the_recipe
    if not recipe.vllm.use_vllm or recipe.vllm.vllm_mode != "server" or recipe.launch.machine_rank != 0:
        return
    if recipe.vllm.vllm_gpus > 0:
        yield from problems("vLLM server", check_ports(recipe))
        return
    host = "127.0.0.1" if recipe.vllm.vllm_server_host == "0.0.0.0" else recipe.vllm.vllm_server_host
    url = (recipe.vllm.vllm_server_base_url or f"http://{host}:{recipe.vllm.vllm_server_port}").rstrip("/")
    if answers(url):
        yield ok("vLLM server", f"answers at {url}")
    else:
        yield problem("vLLM server", f"does not answer at {url}", "start it, or vllm_gpus=1 starts one")


def check_memory(facts: Facts) -> Iterator[Finding]:
    """Say how much memory training and vLLM are expected to need, and whether the machine has it."""
    recipe, expected = facts.the_recipe, facts.estimate
    if expected is None:
        yield not_checked("memory", "not estimated: the size of the model is not known")
        return
    machine, work, vllm_gpus = facts.machine, expected.work, recipe.vllm.vllm_gpus
    local = work.processes // recipe.launch.num_machines
    if expected.model.shape is None:
        yield not_checked("memory", "activations not estimated: this is no dense decoder of the Llama kind")
    if expected.training is None:
        yield not_checked("memory", "not estimated for FSDP, nor where DeepSpeed offloads")
        return
    if recipe.launch.use_cpu or not machine.gpus:
        needed = Memory(parts={name: local * size for name, size in expected.training.parts.items()})
        subject = f"memory of {local} processes" if local > 1 else "memory"
        fix = "use a machine with more memory, or one with GPUs"
        yield _compare(subject, needed, machine.memory or None, "of main memory", fix)
        return
    available = min(gpu.total for gpu in machine.gpus[:local])
    yield _compare("memory, training", expected.training, available, f"on each of {local} GPUs")
    is_here = recipe.launch.machine_rank == 0 if vllm_gpus else work.sampler == "colocate"
    if expected.vllm is not None and is_here:
        gpus = machine.gpus[-vllm_gpus:] if vllm_gpus else machine.gpus[:local]
        fix = "raise vllm_gpu_memory_utilization, or lower vllm_max_model_length"
        share = vllm_memory(recipe) * min(gpu.total for gpu in gpus)
        yield _compare("memory, vLLM", expected.vllm, share, f"({vllm_memory(recipe):.0%} of a GPU)", fix)


def check_time(facts: Facts) -> Iterator[Finding]:
    """Say how long 100 steps are expected to take."""
    expected = facts.estimate
    if expected is None or expected.time is None or expected.device is None:
        why = "the speed of the device is not known" if expected and expected.model.shape else "the model is not known"
        yield not_checked("time", f"not estimated: {why}")
        return
    time, steps = expected.time, facts.the_recipe.training.max_steps
    found = (
        f"about {_duration(time.seconds * 100)} per 100 steps, within a factor of {FACTOR} "
        f"(a step: {_duration(time.sampling)} sampling, {_duration(time.training)} training, on {expected.device.name})"
    )
    if steps > 0:
        found += f"; {steps} steps about {_duration(time.seconds * steps)}"
    if time.seconds / 36 > LONG:
        yield warning("time", found, "use more or faster GPUs, vLLM, a smaller model, or shorter completions")
    else:
        yield ok("time", found)


def check_disk(facts: Facts) -> Iterator[Finding]:
    """Say whether checkpoints fit on the disk; a model that has to be fetched says how large it is."""
    recipe, expected = facts.the_recipe, facts.estimate
    path = recipe.output_dir.absolute()
    place = next(folder for folder in (path, *path.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if expected is None:
        yield ok("disk", f"{shown_size(free)} free in {place}; what the run needs is not estimated")
    else:
        each, kept = expected.checkpoint_bytes, kept_checkpoints(recipe)
        needed = each * (kept or 1)
        count = "every checkpoint, of which there is no limit," if kept is None else f"{kept} checkpoints"
        found = f"{shown_size(free)} free in {place}; {count} of {shown_size(each)}"
        fix = "save_total_limit=2, save_only_model=true, or another output_dir"
        tight = needed > TIGHT * free or (kept is None and 10 * each > free)
        level = problem if needed > free else warning if tight else None
        yield level("disk", found, fix) if level else ok("disk", found)


def kept_checkpoints(recipe: Recipe) -> int | None:
    """Return how many checkpoints lie on the disk at the end; None where the recipe does not bound them."""
    output, steps = recipe.output, recipe.training.max_steps
    if output.save_strategy == "no":
        return 0
    known = output.save_strategy == "steps" and steps > 0 and output.save_steps > 0
    made = math.ceil(steps / output.save_steps if output.save_steps >= 1 else 1 / output.save_steps) if known else None
    # an old one goes after a new one is there
    at_once = output.save_total_limit + 1 if output.save_total_limit else None
    return min(filter(None, (made, at_once)), default=None)


def check_code(facts: Facts) -> Iterator[Finding]:
    """Say whether the functions of the user's own that the recipe names can be imported."""
    for line in import_problems(facts.the_recipe):
        yield problem(USERS, line, "mend the function, or its name in the recipe")


def check_logins(facts: Facts) -> Iterator[Finding]:
    """Say what the recipe's trackers and its uploads to the Hub lack."""
    recipe = facts.the_recipe
    uses = [*chosen_trackers(recipe), *(["the Hub"] if hub_keys(recipe) else [])]
    said = f"{', '.join(uses)}: logged in, or no login needed" if uses else "none needed: no tracker, no push_to_hub"
    yield from [*problems("logins", login_problems(recipe))] or [ok("logins", said)]


def _compare(subject: str, needed: Memory, available: float | None, where: str, fix: str | None = None) -> Finding:
    parts = dict(sorted(needed.parts.items(), key=lambda part: -part[1]))
    shown = ", ".join(f"{name} {shown_size(size)}" for name, size in parts.items() if size > 0.01 * needed.total)
    found = f"about {shown_size(needed.total)}"
    if available is None:
        return not_checked(subject, f"{found} {where} ({shown}); how much there is is not known")
    found += f" of {shown_size(available)} {where} ({shown})"
    fix = fix or next((LEVERS[name] for name in parts if name in LEVERS), "use a machine with more memory")
    if needed.total > TOO_MUCH * available:
        return problem(subject, found, fix)
    tight = warning(subject, f"{found}; too close to call", fix)
    return tight if needed.total > TIGHT * available else ok(subject, found)


def _duration(seconds: float) -> str:
    for limit, unit, name in ((5400.0, 3600.0, "h"), (90.0, 60.0, "min")):
        if seconds >= limit:
            return f"{seconds / unit:.1f} {name}" if seconds < 100 * unit else f"{seconds / unit:,.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


FIT_CHECKS = (check_code, check_layout, check_devices, check_server, check_memory, check_time, check_disk, check_logins)
"""Whether a recipe fits the machine and its user's code and accounts."""
