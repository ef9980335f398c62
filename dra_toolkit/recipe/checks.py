"""What a recipe's values must fulfil together, checked before anything heavy is loaded."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.diversity import diversity_settings
from dra_toolkit.dotted import check_dotted, is_dotted
from dra_toolkit.embedding import check_embedder_name
from dra_toolkit.errors import RecipeError, SettingsError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.check_data import HUB_ID, check_builtin, check_data
from dra_toolkit.recipe.check_users import check_columns
from dra_toolkit.recipe.inferred import steps_per_generation
from dra_toolkit.recipe.keys import BUILTIN_PREFIX
from dra_toolkit.recipe.places import looked_in
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.rewards import REWARDS, check_reward_name, names_model

SERVER_PORTS = ("vllm_server_port", "vllm_group_port")


def check(recipe: Recipe) -> Iterator[str]:
    """Yield each impossible value or combination: key, what was found, what was expected."""
    yield from _check_model(recipe)
    yield from list(check_data(recipe)) or check_columns(recipe)
    yield from _check_rewards(recipe)
    called = [path.rpartition(".")[2] for path in recipe.objective.tools]
    if len(set(called)) < len(called):
        yield f"tools: found {', '.join(called)}, expected a name of its own for each"
    for key, path in recipe.objective.own_code():
        if problem := check_dotted(path, recipe.folder):
            yield f"{key}: {problem}"
    yield from _check_diversity(recipe)
    yield from _check_embedder(recipe)
    yield from _check_batches(recipe)
    yield from _check_launch(recipe)
    if os.path.isfile(recipe.output_dir):
        yield f"output_dir: {recipe.output_dir} is a file, expected a folder, or the name of a new one"


def _check_model(recipe: Recipe) -> Iterator[str]:
    name = recipe["model_name_or_path"]
    if name is None:
        yield "model_name_or_path: missing; expected a Hub id or the folder of a model"
        return
    if name.startswith(BUILTIN_PREFIX):
        yield from check_builtin("model_name_or_path", name)
        return
    folder = Path(os.path.expanduser(name))
    yield from (
        _check_model_folder(folder) if os.path.isdir(folder) else _check_place(recipe, "model_name_or_path", name)
    )
    if recipe["trust_remote_code"] and not re.fullmatch(r"[0-9a-f]{40}", recipe["model_revision"]):
        yield "trust_remote_code: needs model_revision to be a full commit hash: the code that runs is what you read"


def _check_place(recipe: Recipe, key: str, name: str) -> Iterator[str]:
    folder = os.path.expanduser(name)
    is_path = name.startswith(("/", "./", "../", "~")) or os.path.isfile(folder) or not HUB_ID.fullmatch(name)
    if is_path and not os.path.isdir(folder):
        yield f"{key}: found {name!r}, expected a Hub id or an existing folder{looked_in(name, recipe.folder)}"


def _check_model_folder(folder: Path) -> Iterator[str]:
    if not (folder / "config.json").is_file():
        yield f"model_name_or_path: {folder} has no config.json, expected the folder of a saved model"
        return
    tokenizer = folder / "tokenizer_config.json"
    if not tokenizer.is_file() and not (folder / "tokenizer.json").is_file():
        yield f"model_name_or_path: {folder} has no tokenizer; save one there with tokenizer.save_pretrained"
        return
    if not (folder / "chat_template.jinja").is_file() and not _has_chat_template(tokenizer):
        yield (
            f"model_name_or_path: {folder} has no chat template (chat_template.jinja, or chat_template in "
            "tokenizer_config.json); use the instruct model's tokenizer or set tokenizer.chat_template and save it"
        )


def _has_chat_template(tokenizer_config: Path) -> bool:
    try:
        return bool(json.loads(tokenizer_config.read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _check_rewards(recipe: Recipe) -> Iterator[str]:
    names, weights = recipe.objective.reward_funcs, recipe.objective.reward_weights
    if not names and not recipe.objective.environment_factory:
        yield f"reward_funcs: missing; expected names ({', '.join(REWARDS)}) or dotted paths"
        return
    for name in names:
        if problem := check_reward_name(name, recipe.folder):
            yield f"reward_funcs: {problem}"
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"reward_funcs: {', '.join(twice)} stands twice; give it a higher weight instead"
    if weights is not None and len(weights) != len(names):
        yield f"reward_weights: found {len(weights)} weights for {len(names)} reward_funcs, expected one each"
    models, tokenizers = [*filter(names_model, names)], recipe.objective.reward_processing_classes
    if tokenizers and len(tokenizers) != len(models):
        yield f"reward_processing_classes: found {len(tokenizers)} for {len(models)} reward models, expected one each"
    for key, named in (("reward_funcs", models), ("reward_processing_classes", tokenizers)):
        yield from (problem for name in named for problem in _check_place(recipe, key, name))
    if recipe["multi_objective_aggregation"] == "normalize_then_sum" and recipe["diversity"] != "none":
        yield (
            "multi_objective_aggregation: normalize_then_sum scales each reward by itself, which would undo the diversity "
            "adjustment of their sum; set diversity: none or sum_then_normalize"
        )


def _check_diversity(recipe: Recipe) -> Iterator[str]:
    try:
        settings = diversity_settings(recipe)
    except SettingsError as error:
        yield from error.problems
        return
    if is_dotted(settings.measure):
        if problem := check_dotted(settings.measure, recipe.folder):
            yield f"diversity: {problem}"
        return
    labels = settings.labels if "labels" in settings.needs else ""
    if is_dotted(labels) and (problem := check_dotted(labels, recipe.folder)):
        yield f"diversity_labels: {problem}"
    if recipe["embedder"] == "none" and "similarity" in settings.definition.needs and settings.adjusts:
        yield f"embedder: none cannot measure the redundancy that diversity: {settings.measure} needs"
    elif recipe["embedder"] == "none" and "similarity" in settings.needs:
        yield "embedder: none cannot measure the similarity that diversity_labels: similarity needs"


def _check_embedder(recipe: Recipe) -> Iterator[str]:
    if not recipe["embed_part"] or len(set(recipe["embed_part"])) < len(recipe["embed_part"]):
        yield f"embed_part: found {recipe['embed_part']}, expected one part, or several different ones"
    if recipe["embedder"] != "none" and (problem := check_embedder_name(recipe.embedder, recipe.folder)):
        yield f"embedder: {problem}"


def _check_batches(recipe: Mapping[str, Any]) -> Iterator[str]:
    positive = ("per_device_train_batch_size", "gradient_accumulation_steps", "num_processes", "num_iterations")
    group = recipe["num_generations"]
    if group is None or group < 2:
        yield f"num_generations: found {group}, expected at least 2: a group of one has no advantage"
        return
    if any(recipe[key] < 1 for key in positive):
        return  # told where they were read
    if recipe["generation_batch_size"] is not None and recipe["steps_per_generation"] is not None:
        yield "generation_batch_size: cannot be set together with steps_per_generation, which it follows from"
        return
    batch, processes = recipe["per_device_train_batch_size"], recipe["num_processes"]
    total = recipe["generation_batch_size"] or batch * processes * steps_per_generation(recipe)
    if total % (batch * processes):
        yield (
            f"generation_batch_size: {total} is not a multiple of {batch * processes} "
            "(per_device_train_batch_size x num_processes)"
        )
    elif total % group:
        fits = [g for g in range(2, total + 1) if total % g == 0]
        nearest = f"; the nearest that does is {min(fits, key=lambda g: abs(g - group))}" if fits else ""
        yield (
            f"num_generations: {group} does not divide the generation batch of {total} completions "
            f"({batch} per device x {processes} processes x {steps_per_generation(recipe)} steps per generation){nearest}"
        )
    if recipe["eval_strategy"] != "no":
        evaluated = recipe["per_device_eval_batch_size"] * processes
        eval_group = recipe["num_generations_eval"] or group
        if evaluated % eval_group:
            yield (
                f"per_device_eval_batch_size: {recipe['per_device_eval_batch_size']} x {processes} processes is not a "
                f"multiple of the {eval_group} completions per prompt in evaluation"
            )


def _check_launch(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield each problem with how a recipe is to be launched."""
    yield from _check_machines(recipe)
    parallel, gpus = recipe["vllm_tensor_parallel_size"], recipe["vllm_gpus"]
    if gpus > 0 and parallel not in (1, gpus):
        yield f"vllm_tensor_parallel_size: {parallel} does not fit vllm_gpus: {gpus}; leave it out"
    for key in ("main_process_port", *SERVER_PORTS):
        if not 1 <= recipe[key] <= 65535:
            yield f"{key}: found {recipe[key]}, expected a port from 1 to 65535"
    if recipe["accelerate_config"] is not None:
        yield from _check_config(recipe)


def _check_machines(recipe: Mapping[str, Any]) -> Iterator[str]:
    machines, rank, processes = recipe["num_machines"], recipe["machine_rank"], recipe["num_processes"]
    if machines < 1:
        return  # told where it was read
    if not 0 <= rank < machines:
        yield f"machine_rank: found {rank}, expected 0 to {machines - 1} for num_machines: {machines}"
    if machines > 1 and recipe["main_process_ip"] is None:
        yield "main_process_ip: missing; several machines need the address of machine 0"
    if processes >= 1 and processes % machines:
        yield f"num_processes: {processes} (in all) is not a multiple of num_machines: {machines}"


def _check_config(recipe: Mapping[str, Any]) -> Iterator[str]:
    try:
        config = read_accelerate_config(recipe["accelerate_config"])
    except RecipeError as error:
        yield from error.problems
        return
    if config.distributed_type == "NO" and recipe["num_processes"] > 1:
        yield (
            f"accelerate_config: {recipe['accelerate_config']} starts one process, but num_processes is "
            f"{recipe['num_processes']}; choose ddp, fsdp2, zero2 or zero3"
        )
    if recipe["deepspeed"] is not None and config.distributed_type != "DEEPSPEED":
        yield f"deepspeed: contradicts accelerate_config: {recipe['accelerate_config']}; leave one of them out"
